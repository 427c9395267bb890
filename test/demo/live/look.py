"""Opens the page in a headless Chromium, waits until its number has moved by itself, and takes a picture.

usage: look.py CHROMIUM URL OTHER PICTURE. Prints {"first", "last": [value, ts], "notices", "other": {"value", "notices",
"state"}}: of the page, and of the same page with another user's token, which has nothing to show.
"""

import json
import sys

from playwright.sync_api import sync_playwright

MILLISECONDS = 30_000
STATE = """() => ({value: document.getElementById("value").textContent, ts: document.getElementById("at").dataset.ts,
  notices: Number(document.getElementById("notices").textContent), state: document.getElementById("state").textContent})"""
MOVED = """first => { const at = document.getElementById("at").dataset.ts, value = document.getElementById("value").textContent;
  return at > first.ts && value !== first.value && Number(document.getElementById("notices").textContent) >= first.notices + 3; }"""


def main():
    chromium, url, other_url, picture = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        # a context has cookies of its own
        page, other = (browser.new_context(viewport={"width": 900, "height": 560}).new_page() for _ in range(2))
        page.goto(url)
        other.goto(other_url)
        page.wait_for_function("document.getElementById('at').dataset.ts !== undefined", timeout=MILLISECONDS)
        first = page.evaluate(STATE)
        page.wait_for_function(MOVED, arg=first, timeout=MILLISECONDS)
        last = page.evaluate(STATE)
        page.screenshot(path=picture)
        print(json.dumps({"first": first, "last": last, "other": other.evaluate(STATE)}))
        browser.close()


main()
