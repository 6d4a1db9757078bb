"""A package, so that its one Chromium ends with it: Playwright's event loop lets no other run in
its thread."""
