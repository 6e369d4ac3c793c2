//! Markdown as HTML that does no harm: CommonMark with tables, strikethrough and task lists; markup that somebody wrote
//! is shown as text, pictures are links, and links lead to http, https and mailto alone.

use std::collections::HashSet;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

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
        // The page has its own headings above these.
        Event::Start(Tag::Heading { .. }) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::Heading(_)) => Event::End(TagEnd::Paragraph),
        Event::TaskListMarker(done) => Event::Text(if done { "☑ " } else { "☐ " }.into()),
        other => other,
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

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn what_people_write_is_drawn() {
        assert_eq!(html("**a** `b`\nc"), "<p><strong>a</strong> <code>b</code><br>\nc</p>\n");
        assert_eq!(html("# Big"), "<p>Big</p>\n");
        assert!(html("| a | b |\n|---|---|\n| 1 | 2 |").contains("<td>2</td>"));
        assert!(html("```sql\nSELECT '<b>';\n```").contains("<pre><code>SELECT '&lt;b&gt;';\n</code></pre>"));
        assert!(html("- [x] done").contains("☑ done"));
        let link = html("[docs](https://example.com/?a=1&b=2)");
        assert!(link.contains(r#"href="https://example.com/?a=1&amp;b=2""#) && link.contains("noopener"), "{link}");
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
