// Starts the islands of a page once the browser has nothing better to do, with a rest after each so that a tap or a key
// never waits for them all. (The script that Leptos ships walks every element of the page with a promise each, in one go.)
const rest = () => globalThis.scheduler?.yield?.() ?? new Promise((done) => setTimeout(done));
(globalThis.requestIdleCallback ?? setTimeout)(async () => {
	const portal = await import(SCRIPT);
	await portal.default({ module_or_path: MODULE });
	await rest();
	portal.hydrate();
	for (const island of document.querySelectorAll("leptos-island")) {
		await rest();
		// What an island gives to those within its content.
		island.parentElement.closest("leptos-children")?.$$on_hydrate?.();
		portal[island.dataset.component](island);
	}
});
