//! Markdown as HTML that does no harm: CommonMark with tables, strikethrough and task lists; markup that somebody wrote
//! is shown as text, pictures are links, and links lead to http, https and mailto alone.

use std::collections::HashSet;

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd, TextMergeStream, html};

/// Draws a text. What comes out holds no scripts, styles, forms, pictures or identifiers, whatever went in.
#[must_use]
pub fn html(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(text, options).map(|event| match event {
        Event::Html(markup) | Event::InlineHtml(markup) => Event::Text(markup),
        // Line breaks mean something in what people paste.
        Event::SoftBreak => Event::HardBreak,
        // A picture from elsewhere would tell its host who reads.
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => Event::Start(Tag::Link { link_type, dest_url, title, id }),
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        Event::TaskListMarker(done) => Event::Text(if done { "☑ " } else { "☐ " }.into()),
        other => other,
    });
    // Inside links and code an address stays what it is.
    let mut inside = 0_usize;
    let events = TextMergeStream::new(events).flat_map(|event| match event {
        // The page has its own headings above these.
        Event::Start(Tag::Heading { .. }) => vec![Event::Start(Tag::Paragraph), Event::Start(Tag::Strong)],
        Event::End(TagEnd::Heading(_)) => vec![Event::End(TagEnd::Strong), Event::End(TagEnd::Paragraph)],
        Event::Text(text) if inside == 0 => linked(&text),
        Event::Start(Tag::Link { .. } | Tag::CodeBlock(_)) => {
            inside += 1;
            vec![event]
        }
        Event::End(TagEnd::Link | TagEnd::CodeBlock) => {
            inside = inside.saturating_sub(1);
            vec![event]
        }
        other => vec![other],
    });
    let mut drawn = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut drawn, events);
    let tags = [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ];
    ammonia::Builder::new()
        .tags(HashSet::from(tags))
        .tag_attributes(std::collections::HashMap::from([("a", HashSet::from(["href"])), ("ol", HashSet::from(["start"]))]))
        .generic_attributes(HashSet::new())
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer ugc"))
        .clean(&drawn)
        .to_string()
}

/// A text of which the bare addresses are links.
fn linked<'e>(text: &str) -> Vec<Event<'e>> {
    let closing = |c: char| ".,;:!?'*_~".contains(c);
    let mut events = Vec::new();
    let (mut rest, mut plain) = (text, String::new());
    while let Some(at) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c)).unwrap_or(from.len());
        let mut address = from[..end].trim_end_matches(closing);
        // What stands in brackets ends before the closing one.
        while address.ends_with(')') && address.matches(')').count() > address.matches('(').count() {
            address = address[..address.len() - 1].trim_end_matches(closing);
        }
        plain.push_str(before);
        rest = &from[address.len()..];
        // In the middle of a word, or of nothing but a scheme.
        if before.ends_with(char::is_alphanumeric) || address.ends_with("://") {
            plain.push_str(address);
            continue;
        }
        events.push(Event::Text(std::mem::take(&mut plain).into()));
        let address = address.to_owned();
        events.push(Event::Start(Tag::Link {
            link_type: LinkType::Autolink,
            dest_url: address.clone().into(),
            title: "".into(),
            id: "".into(),
        }));
        events.push(Event::Text(address.into()));
        events.push(Event::End(TagEnd::Link));
    }
    plain.push_str(rest);
    events.push(Event::Text(plain.into()));
    events
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn what_people_write_is_drawn() {
        assert_eq!(html("**a** `b`\nc"), "<p><strong>a</strong> <code>b</code><br>\nc</p>\n");
        assert_eq!(html("# Big"), "<p><strong>Big</strong></p>\n");
        assert!(html("| a | b |\n|---|---|\n| 1 | 2 |").contains("<td>2</td>"));
        assert!(html("```sql\nSELECT '<b>';\n```").contains("<pre><code>SELECT '&lt;b&gt;';\n</code></pre>"));
        assert!(html("- [x] done").contains("☑ done"));
        let link = html("[docs](https://example.com/?a=1&b=2)");
        assert!(link.contains(r#"href="https://example.com/?a=1&amp;b=2""#) && link.contains("noopener"), "{link}");
    }

    #[test]
    fn bare_addresses_are_links() {
        let links = |text: &str| -> Vec<(String, String)> {
            let (fragment, link) = (scraper::Html::parse_fragment(&html(text)), scraper::Selector::parse("a").unwrap());
            let mut links = Vec::new();
            for a in fragment.select(&link) {
                links.push((a.value().attr("href").unwrap().to_owned(), a.text().collect()));
            }
            links
        };
        let one = |address: &str| vec![(address.to_owned(), address.to_owned())];
        for (text, address) in [
            ("see https://example.com/a_b_c?x=1&y=[2] there", "https://example.com/a_b_c?x=1&y=[2]"),
            ("https://example.com.", "https://example.com"),
            ("(https://example.com/a_(b)), and", "https://example.com/a_(b)"),
            ("http://example.com\nnext", "http://example.com"),
            ("# https://example.com/ü", "https://example.com/ü"),
        ] {
            let found = links(text);
            assert_eq!(found.len(), 1, "{text}: {}", html(text));
            assert_eq!(found[0].1, address, "{text}");
        }
        assert_eq!(links("https://a.example and https://b.example"), [one("https://a.example"), one("https://b.example")].concat());
        assert_eq!(links("[words](https://example.com)")[0].1, "words");
        assert_eq!(links("<https://example.com>"), one("https://example.com"));
        for text in [
            "`https://example.com`",
            "```\nhttps://example.com\n```",
            "https://",
            "http:// x",
            "xhttps://example.com",
            "https://.",
            "ftp://x",
        ] {
            assert!(links(text).is_empty(), "{text}: {}", html(text));
        }
        assert_eq!(html("xhttps://example.com https://"), "<p>xhttps://example.com https://</p>\n");
    }

    #[test]
    fn nothing_harmful_comes_out() {
        for text in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,<script>alert(1)</script>)",
            "[x](/do/sign_out)",
            "[x](//evil.example)",
            "![x](https://evil.example/track.png)",
            "<a href=\"https://x\" onclick=\"alert(1)\">x</a>",
            "<style>*{display:none}</style>",
            "<form action=/do/sign_out><button>x",
            "<svg/onload=alert(1)>",
            "a <b id=main>b",
            "[x]: javascript:alert(1)\n[x]",
            "<javascript:alert(1)>",
        ] {
            let drawn = html(text);
            let fragment = scraper::Html::parse_fragment(&drawn);
            for element in fragment.root_element().descendent_elements() {
                let name = element.value().name();
                assert!(["html", "p", "a", "br", "b"].contains(&name) && name != "b", "{text}: {drawn}");
                for (attribute, value) in element.value().attrs() {
                    assert!(attribute == "rel" || (attribute == "href" && value.starts_with("https://")), "{text}: {drawn}");
                }
            }
        }
    }
}
