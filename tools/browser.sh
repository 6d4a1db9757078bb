#!/usr/bin/env bash
# The browser tests need a Chromium: the system's where there is one, else the package manager's, else Playwright's own.
set -u
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium) >/dev/null 2>&1 && exit 0
fi
.venv/bin/python -m playwright install chromium || {
  echo "No Chromium could be installed. Install one (for example: sudo apt-get install chromium), then run this again." >&2
  exit 1
}
