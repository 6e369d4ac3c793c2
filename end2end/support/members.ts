// The Members tab as people use it, on a desktop and on a phone, with the island and without.
import { expect, type Locator, type Page } from '@playwright/test';

/** The rows of the list of members. */
export const memberRows = (page: Page) => page.getByRole('table', { name: 'Members' }).locator('tbody tr');

/** The names in the list, from top to bottom; also of rows that a phone has not laid out yet. */
export const names = (page: Page) => memberRows(page).locator('th > bdi').allTextContents();

/** The row, in the list of members or of invitations, that holds a text. */
export const rowOf = (page: Page, text: string) => page.locator('#members tbody tr').filter({ hasText: text });

/** What opens a row's action: the link itself, or, on a phone, the row's menu. */
export async function openerOf(row: Locator, action: string | RegExp): Promise<Locator> {
  const menu = row.getByRole('button', { name: /^Actions for/ });
  return (await menu.isVisible()) ? menu : row.locator('.row-actions').locator('a, button').filter({ hasText: action });
}

/** Takes an action of a row. */
export async function act(row: Locator, action: 'Edit' | 'Remove' | 'Resend' | 'Revoke'): Promise<void> {
  await expect(row).toHaveCount(1);
  const menu = row.getByRole('button', { name: /^Actions for/ });
  if (await menu.isVisible()) await menu.click();
  await row.locator('.row-actions').locator('a, button').filter({ hasText: action }).click();
}

/** Waits for the island, where there is one. */
export async function live(page: Page, js: boolean): Promise<void> {
  if (js) await expect(page.locator('body')).toHaveAttribute('data-live', '');
}

/** Remembers this very document and this very list. */
export async function mark(page: Page): Promise<void> {
  await page.evaluate(() => {
    Object.assign(window, { mark: true });
    for (const node of document.querySelector('#members')!.children) Object.assign(node, { mark: true });
  });
}

/** The same document is there, and its list is another one. */
export async function expectReplaced(page: Page): Promise<void> {
  await expect
    .poll(() =>
      page.evaluate(() => {
        const marked = (thing: object) => 'mark' in thing;
        return { document: marked(window), list: [...document.querySelector('#members')!.children].some(marked) };
      }),
    )
    .toEqual({ document: true, list: false });
}
