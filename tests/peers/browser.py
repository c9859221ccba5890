"""Looks at reports of real runs in a real browser.

browser.py BINARY REPOSITORY [--write] [--keep FOLDER]. Needs Python's standard
library and Chromium. Every wait is for an event, and patient.
"""

import http.server
import json
import shutil
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from browser_checks import Failed, check, checks, same
from browser_runs import HOSTILE, TOKEN, Runs
from chromium import Chromium

LARGEST_PICTURE = 300_000
LARGEST_PAGE = 600_000
PHONE, DESK = (360, 740), (1280, 900)

# What runs in the page. It is told from outside: the page's own policy does not
# allow it a script.
HELP = (Path(__file__).parent / "browser_help.js").read_text()


class Listener:
    """Counts what reaches this machine: nothing may."""

    def __init__(self):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def opened(browser, page, size=DESK, scheme="light"):
    browser.size(*size)
    browser.media(scheme)
    browser.open(f"file://{page}")
    browser.js(HELP)


def quiet(browser, page, name):
    """Nothing on the console, nothing asked of the network."""
    kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    seen = browser.taken(*kinds, "Network.requestWillBeSent")
    asked = [
        one["params"]["request"]["url"]
        for one in seen
        if one["method"] == "Network.requestWillBeSent"
    ]
    outside = [url for url in asked if url != f"file://{page}" and not url.startswith("data:")]
    same(outside, [], f"{name}: nothing is loaded")
    check(f"file://{page}" in asked, f"{name}: requests are seen at all")
    said = [one["params"] for one in seen if one["method"] in kinds]
    same(said, [], f"{name}: the console is silent")


def looks(browser, name, page, keep):
    """The page in its sizes and colours."""
    grounds = {}
    for scheme in ("light", "dark"):
        for size in (DESK, PHONE):
            what = f"{name}, {scheme}, {size[0]} px"
            opened(browser, page, size, scheme)
            quiet(browser, page, what)
            # On a phone the window itself grows with what is too wide.
            wide = browser.js(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth, innerWidth]"
            )
            check(wide[0] <= wide[1] and wide[2] == size[0], f"{what}: no sideways scroll: {wide}")
            same(browser.js("cut()"), [], f"{what}: nothing is cut off at the side")
            same(browser.js("pale()"), [], f"{what}: all text has AA contrast")
            same(browser.js("faults()"), [], f"{what}: labels, heads, names and order")
            grounds[scheme] = browser.js("ground()")
            browser.picture(keep / f"{name}-{scheme}-{size[0]}.png", whole=True)
    check(sum(grounds["light"]) > 3 * 230, f"{name}: light is light")
    check(sum(grounds["dark"]) < 3 * 60, f"{name}: dark is dark")
    browser.media("dark", "print")
    same(browser.js("ground()"), [255, 255, 255], f"{name}: paper is white, in the dark too")
    same(browser.js("pale()"), [], f"{name}: what is printed has AA contrast")
    same(browser.js("shows('#theme, #tools, nav')"), [], f"{name}: paper has no buttons")
    browser.media()


def told(browser, name, page, report):
    """The page says what the JSON report says."""
    opened(browser, page)
    text = browser.js("document.body.innerText")
    exit = report["exit"]
    check(f"exit {exit['code']} {exit['word']}" in text, f"{name}: the exit code is told")
    for value in ("run_id", "plan_id", "endpoint", "started_at", "ended_at"):
        if report[value]:
            check(report[value] in text, f"{name}: {value} is told")
    for call in report["requests"]["calls"]:
        row = browser.js(f"rowOf('#requests', {json.dumps(call['call'])})")
        same(row[1], f"{call['count']:,}", f"{name}: {call['call']} is counted")
    for job in report["jobs"]:
        done = [
            one
            for one in report["items"]
            if one["job"] == job["job"] and one["end"] == "verified"
        ]
        row = browser.js(f"rowOf('#jobs', {json.dumps(job['job'])}, 1)")
        same(row[4], f"{len(done):,}", f"{name}: verified items of {job['job']}")
        same(row[6], f"{job['unchanged']['items']:,}", f"{name}: unchanged ones of {job['job']}")
    bad = [one for one in report["items"] if one["end"] != "verified"]
    for one in bad[:5]:
        if one["error"] and one["end"] != "refused":
            # What stands between backticks is set as code, without them.
            message = one["error"]["message"].replace("`", "")[:60]
            check(message in text, f"{name}: {one['name']}'s error is told")
    check(TOKEN not in page.read_text(), f"{name}: the token is not in it")
    check(page.stat().st_size < LARGEST_PAGE, f"{name}: the page is short")


def searches(browser, name, page):
    opened(browser, page)
    rows = "visible('#items tbody tr').length"
    total = browser.js(rows)
    check(total > 20, f"{name}: there are items to search")
    check(f"{total} shown" in browser.js("$('found').textContent"), f"{name}: the count is told")
    browser.key("/", text="/", code="Slash")
    same(browser.js("document.activeElement.id"), "find", f"{name}: / goes to the search")
    same(browser.js("$('find').value"), "", f"{name}: and leaves no slash there")
    browser.type("scan 2021")
    left = browser.js(rows)
    wanted = browser.js(
        "every('#items tbody tr').filter(r => /scan/i.test(r.textContent) && r.textContent.includes('2021')).length"
    )
    same(left, wanted, f"{name}: rows with all words stay")
    check(0 < left < total, f"{name}: search leaves some and hides some")
    check(
        f"{left} of {total} shown" in browser.js("$('found').textContent"),
        f"{name}: how many are left is told",
    )
    same(browser.js("$('found').getAttribute('aria-live')"), "polite", f"{name}: and said aloud")
    check(
        browser.js("every('.job').filter(j => !j.hidden).length") == 1,
        f"{name}: jobs without a match go",
    )
    browser.key("Escape", number=27)
    same(browser.js(rows), total, f"{name}: Escape brings all back")
    browser.js("$('state').value = 'failed'; $('state').dispatchEvent(new Event('change'))")
    same(browser.js(rows), 0, f"{name}: a good run has no failed items")
    browser.js("$('state').value = ''; $('state').dispatchEvent(new Event('change'))")
    same(browser.js(rows), total, f"{name}: all results again")


def sorts(browser, name, page):
    opened(browser, page)
    table = "#job-0 table"
    order = f"every('{table} tbody tr').map(r => Number(r.cells[3].dataset.v))"
    before = browser.js(order)
    head = f"every('{table} th button').find(b => b.textContent === 'Bytes')"
    browser.js(f"{head}.focus()")
    browser.enter()
    state = f"{head}.closest('th').getAttribute('aria-sort')"
    same(browser.js(state), "ascending", f"{name}: Enter sorts")
    same(browser.js(order), sorted(before), f"{name}: by number, not by text")
    browser.key(" ", code="Space", text=" ", number=32)
    same(browser.js(state), "descending", f"{name}: Space turns it round")
    same(browser.js(order), sorted(before, reverse=True), f"{name}: the largest first")
    check(before != sorted(before), f"{name}: there was something to sort")
    named = f"every('{table} tbody tr').map(r => r.cells[1].firstChild.textContent)"
    head = head.replace("Bytes", "Item")
    browser.js(f"{head}.focus()")
    browser.enter()
    names = browser.js(named)
    same(names, sorted(names), f"{name}: names sort as text")
    others = f"every('{table} th[aria-sort]:not([aria-sort=none])').length"
    same(browser.js(others), 1, f"{name}: one column is sorted at a time")


def keyboard(browser, name, page):
    opened(browser, page)
    browser.tab()
    same(
        browser.js("document.activeElement.className"), "skip", f"{name}: first is the skip link"
    )
    check(browser.js("onScreen(document.activeElement)"), f"{name}: it shows when it has focus")
    browser.enter()
    browser.js("new Promise(done => requestAnimationFrame(() => done(0)))")
    same(browser.js("location.hash"), "#main", f"{name}: it goes to the report")
    opened(browser, page)
    seen = []
    for _ in range(60):
        browser.tab()
        seen.append(browser.js("focused()"))
    for one in seen:
        check(one["ring"] >= 2, f"{name}: focus shows on {one['what']}")
    check(any("box" in one["what"] for one in seen), f"{name}: tables scroll by keyboard")
    check(any("theme" in one["what"] for one in seen), f"{name}: the theme is reached by Tab")


def themes(browser, name, page):
    opened(browser, page, scheme="dark")
    dark = browser.js("ground()")
    grounds = [dark]
    for wanted in ("light", "dark", "auto"):
        browser.js("$('theme').focus()")
        browser.enter()
        check(wanted in browser.js("$('theme').textContent"), f"{name}: the button says {wanted}")
        grounds.append(browser.js("ground()"))
    same(grounds[2], dark, f"{name}: chosen dark is the system's dark")
    same(grounds[3], dark, f"{name}: auto is the system's")
    check(grounds[1] != dark, f"{name}: chosen light is not dark")
    browser.js("$('theme').click()")
    opened(browser, page, scheme="dark")
    same(browser.js("ground()"), grounds[1], f"{name}: the choice is kept")
    browser.js("localStorage.clear()")


def without_script(browser, name, page):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.size(*DESK)
        browser.open(f"file://{page}")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    browser.js(HELP)
    check(browser.js("visible('#items tbody tr').length") > 20, f"{name}: tables without script")
    same(browser.js("shows('#theme, #tools, th button')"), [], f"{name}: and no dead buttons")


def locked(browser, name, page, work):
    """The policy holds: even a script that got in could load and send nothing."""
    listener = Listener()
    here = listener.address
    ways = {
        "fetch": f"fetch('{here}/fetch', {{ mode: 'no-cors' }}).then(() => 'sent', () => 'refused')",
        "image": f"loaded('img', '{here}/image')",
        "script": f"loaded('script', '{here}/script')",
        "style": f"loaded('link', '{here}/style')",
        "frame": f"loaded('iframe', '{here}/frame')",
    }
    opened(browser, page)
    for way, attempt in ways.items():
        same(browser.js(attempt), "refused", f"{name}: refused: {way}")
    browser.js(
        "{ const s = document.createElement('script'); try { s.text = 'pwned()' } catch {} document.body.append(s) }"
    )
    browser.js(
        "try { document.body.setAttribute('onclick', 'pwned()') } catch {} document.body.click()"
    )
    same(browser.js("window.harm"), 0, f"{name}: a script that is put in does not run")
    same(listener.asked, [], f"{name}: nothing reached the listener")
    # The same page without its policy: the attempts are real ones.
    text = page.read_text()
    bare = work / "bare.html"
    bare.write_text(text.replace("Content-Security-Policy", "X-None"))
    opened(browser, bare)
    for attempt in ways.values():
        browser.js(attempt)
    wanted = sorted(f"/{way}" for way in ways)
    same(sorted(listener.asked), wanted, f"{name}: without the policy all of them did")


def harmless(browser, name, page, wanted):
    """Names that look like markup are text."""
    opened(browser, page)
    same(browser.js("window.harm"), 0, f"{name}: no name is run")
    same(browser.js("every('img, iframe, object, embed, form, base').length"), 0, f"{name}: no element came from a name")
    handlers = "every('*').filter(e => [...e.attributes].some(a => a.name.startsWith('on'))).length"
    same(browser.js(handlers), 0, f"{name}: no element has a handler")
    text = browser.js("document.body.innerText")
    for one in wanted:
        shown = one.replace("\u202e", "\\u{202e}")
        check(shown in text, f"{name}: {one!r} is shown as it is")
    check("\u202e" not in text, f"{name}: no name turns the line round")


def charts(browser, name, page):
    opened(browser, page)
    check(browser.js("every('figure svg[role=img]').length") >= 3, f"{name}: charts are there")
    label = browser.js("document.querySelector('figure.bytes svg').getAttribute('aria-label')")
    check("Bytes sent over" in label and "at most" in label, f"{name}: a chart is told in words")
    usual = browser.js("document.querySelector('figure.bytes figcaption span').textContent")
    box = browser.js(
        "{ const s = document.querySelector('figure.bytes svg'); s.scrollIntoView({ behavior: 'instant', block: 'center' }); const b = s.getBoundingClientRect(); [b.x, b.y, b.width, b.height] }"
    )
    browser.call(
        "Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + box[2] / 2, y=box[1] + box[3] / 2
    )
    shown = browser.js("document.querySelector('figure.bytes figcaption span').textContent")
    check(shown != usual and "B" in shown, f"{name}: the figure under the pointer is told")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)
    browser.js("document.querySelector('#figures').open = true")
    rows = browser.js("every('#figures tbody tr').length")
    check(2 < rows <= 240, f"{name}: {rows} figures, no more than 240")


def picture(browser, page, path):
    opened(browser, page, (1120, 1330))
    browser.js("scrollTo(0, 0)")
    browser.picture(path)
    check(path.stat().st_size < LARGEST_PICTURE, f"{path.name} is {path.stat().st_size} bytes")


def main():
    binary, root = Path(sys.argv[1]), Path(sys.argv[2])
    options = sys.argv[3:]
    work = Path(tempfile.mkdtemp(prefix="browser-"))
    keep = Path(options[options.index("--keep") + 1]) if "--keep" in options else work / "pictures"
    keep.mkdir(parents=True, exist_ok=True)
    browser = None
    try:
        runs = Runs(binary, work)
        pages = {}
        for name in ("good", "partial", "failed", "stopped", "big"):
            pages[name] = getattr(runs, name)()
            shutil.copy(pages[name][0], keep / f"{name}.html")
        (work / "browser").mkdir()
        browser = Chromium(work / "browser")
        count = "window.harm = 0; window.pwned = () => { window.harm += 1 }"
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=count)
        first = work / "partial" / "first.html"
        harmless(browser, "first", first, [f"</script></style>/{one}" for one in HOSTILE])
        cells = ["<svg onload=pwned()>.txt", "<b>bold</b>", "<0.05"]
        harmless(browser, "partial", pages["partial"][0], cells)
        for name, (page, report) in pages.items():
            told(browser, name, page, report)
            looks(browser, name, page, keep)
        good, big = pages["good"][0], pages["big"][0]
        searches(browser, "good", good)
        sorts(browser, "good", good)
        sorts(browser, "big", big)
        keyboard(browser, "good", good)
        themes(browser, "good", good)
        charts(browser, "good", good)
        without_script(browser, "good", good)
        locked(browser, "good", good, work)
        check(
            "500 of 1,300 items shown; 800 left out" in (keep / "big.html").read_text(),
            "big: what is left out is counted",
        )
        picture(browser, good, keep / "run-report.png")
        if "--write" in options:
            shutil.copy(keep / "run-report.png", root / "docs" / "run-report.png")
    except Failed as failure:
        print(f"browser: FAILED after {len(checks)} checks: {failure}")
        traceback.print_exc()
        return 1
    finally:
        if browser:
            browser.close()
        shutil.rmtree(work, ignore_errors=True)
    print(f"browser: {len(checks)} checks passed, on {len(pages)} pages of real runs")
    return 0


sys.exit(main())
