"""What the platform's pages leave open: one function for each part, which answers
`(key, question, answer, detail)`. An answer of `None` means: not settled, and the
detail says why. Keys are stable; docs/live.md lists the questions."""

import re
import socket
import ssl
import time
import urllib.parse

from world import number, shape_of


def lag(vain):
    """How a change is seen, by the number of reads that lacked it."""
    if vain is None:
        return None, {"why": "it was not seen in time"}
    return ("at once" if vain == 0 else "after a while"), {"reads_that_lacked_it": vain}


def told(answer):
    return {"status": answer.status, "said": answer.body[:160].decode(errors="replace")}


def creating(world):
    """Tables: statuses, names, descriptions, merge strategy, wrong references."""
    name, made = world.table("plain", uploadMergeStrategy="replace")
    yield "created_status", "Status of a call that creates a table", made.status, {}
    seen = world.api.must("GET", world.path(name)).json
    merge = seen.get("uploadMergeStrategy")
    yield (
        "merge_at_create",
        "Does `uploadMergeStrategy` work when a table is created?",
        "works" if merge == "replace" else "ignored",
        {"read_back": merge},
    )
    again = world.api.call("POST", f"{world.draft}/tables", {"name": name})
    answer = "taken twice" if again.good else again.status
    yield "duplicate_status", "Status for a table name that is taken", answer, told(again)

    spaced = world.claim("two__under")
    made = world.api.call("POST", f"{world.draft}/tables", {"name": spaced})
    shown = (made.json.get("qualifiedReference") or "").rsplit(".", 1)[-1].split(":")[0]
    answer = {spaced: "they stay", spaced.replace("__", "_"): "become one"}.get(shown.lower())
    yield "underscores", "Runs of `_` in a table's reference", answer, {"reference": shown}

    longest = 0
    for length in (1000, 2000, 2001, 5000, 5001, 10000):
        if not world.api.call("PATCH", world.path(name), {"description": "d" * length}).good:
            break
        longest = length
    yield "max_description", "Longest description of a table that was taken", longest, {}

    missing = world.api.call("GET", world.path(f"{world.prefix}_nowhere"))
    yield "error_shape", "Form of a JSON error", shape_of(missing.body), told(missing)

    released = world.api.call("GET", f"/datasets/{world.dataset}:current").good
    wrong = world.api.call("GET", f"/datasets/{world.dataset}:no_such_version")
    answer, detail = ("the current one" if wrong.good else wrong.status), told(wrong)
    if not released:
        answer, detail = None, {"why": "the dataset was never released"}
    yield "unknown_version", "What an unrecognised version means", answer, detail


def temp_uploads(world):
    """Temp uploads: how many, their names, their addresses."""
    table, _ = world.table("temps", isFileIndex=True)
    most = 0
    for count in (100, 500, 501, 1000, 1001, 2000):
        wanted = [{"name": world.unique(), "size": 1} for _ in range(count)]
        answer = world.api.call("POST", world.path(table, "/tempUploads"), {"tempUploads": wanted})
        if not answer.good:
            break
        most = count
    yield "max_entries", "Most entries that one `tempUploads` call took", most, told(answer)

    name = world.unique("same")
    one = {"tempUploads": [{"name": name, "size": 1}]}
    first = world.api.must("POST", world.path(table, "/tempUploads"), one)
    second = world.api.call("POST", world.path(table, "/tempUploads"), one)
    answer = "need not be unique" if second.good else "must be unique"
    echoed = first.json["results"][0].get("name")
    yield "temp_names", "Names of open temp uploads", answer, {"echoed": echoed == name}
    yield "temp_status", "Status of `tempUploads`", first.status, {}

    url = first.json["results"][0]["url"]
    own = urllib.parse.urlsplit(url).netloc == urllib.parse.urlsplit(world.api.endpoint).netloc
    yield (
        "storage_origin",
        "Where temp uploads live",
        "the API's origin" if own else "another origin",
        {"host": urllib.parse.urlsplit(url).hostname},
    )
    life = re.search(r"[?&]X-Goog-Expires=(\d+)", url)
    yield (
        "temp_url_life",
        "Seconds that a temp upload's address works",
        int(life.group(1)) if life else None,
        {} if life else {"why": "the address does not say, and waiting takes hours"},
    )
    empty = world.api.call("POST", world.path(table, "/tempUploads"), {"tempUploads": []})
    yield "empty_temps", "Status of an empty `tempUploads`", empty.status, told(empty)


def storage(world):
    """The storage: foreign headers, sessions."""
    table, _ = world.table("sessions", isFileIndex=True)
    temp = world.temps(table, [5])[0]
    if world.api.may_have_token(temp["url"]):
        answer, detail = None, {"why": "the storage is where the token belongs"}
    else:
        # Not the token: that one is for the API only.
        put = world.api.raw("PUT", temp["url"], b"probe", {"Authorization": "Bearer no-token"})
        answer, detail = ("taken" if put.good else "refused"), told(put)
    yield "storage_authorization", "A PUT to storage with an `Authorization` header", answer, detail

    half = 5 << 20
    content = bytes(range(256)) * (2 * half // 256)
    temp = world.temps(table, [len(content)], resumable=True)[0]
    start = {"x-upload-content-length": str(len(content)), "x-goog-resumable": "start"}
    opened = world.api.raw("POST", temp["url"], b"", {**start, "Content-Length": "0"})
    session = urllib.parse.urljoin(temp["url"], opened.headers.get("Location", ""))
    first = {"Content-Range": f"bytes 0-{half - 1}/{len(content)}"}
    chunk = world.api.raw("PUT", session, content[:half], first)
    override = chunk.headers.get("X-HTTP-Status-Code-Override")
    yield (
        "resume_status",
        "What a chunk is answered that is not the last",
        f"{chunk.status} with override {override}" if override else str(chunk.status),
        {"range": chunk.headers.get("Range"), "opened": opened.status},
    )
    rest = {"Content-Range": f"bytes {half}-{len(content) - 1}/{len(content)}"}
    last = world.api.raw("PUT", session, content[half:], rest)
    added = world.attach(table, [("large.bin", temp["id"])])
    md5 = (added.json.get("results") or [{}])[0].get("md5Hash") if added.good else None
    yield (
        "session_md5",
        "MD5 of a 10 MiB file that came in two chunks",
        ("null" if md5 is None else "given") if added.good else None,
        {"last_chunk": last.status, "attached": told(added)["status"]},
    )
    lost = re.sub(r"(upload_id=|/)([^/=&]+)$", r"\1x\2", session.split("&")[0])
    gone = world.api.raw("PUT", lost, b"", {"Content-Range": "bytes */10"})
    yield "unknown_session", "Status of a session that does not exist", gone.status, {}


def files(world):
    """`rawFiles`: what it takes, what it leaves, how it is listed."""
    table, _ = world.table("files", isFileIndex=True)
    temp = world.staged(table)
    added = world.attach(table, [("one.txt", temp)])
    md5 = added.json["results"][0]["md5Hash"] if added.good else ""
    form = {24: "base64", 32: "hex"}.get(len(md5 or ""))
    yield "md5_form", "Form of `md5Hash`", form, told(added) if form is None else {}
    answer, detail = lag(world.has_file(table, "one.txt"))
    yield "listing_lag", "When a new file is listed", answer, detail
    again = world.attach(table, [("two.txt", temp)])
    answer = "may be used again" if again.good else "is used once"
    yield "temp_id_again", "A temp upload's id after it was attached", answer, told(again)

    temp = world.staged(table)
    refused = world.attach(table, [("never.txt", "no-such-id"), ("three.txt", temp)])
    after = world.attach(table, [("three.txt", temp)])
    answer = None if refused.good else "no" if after.good else "yes"
    yield "failed_spends", "Does a refused `rawFiles` call spend its ids?", answer, told(refused)

    temp = world.staged(table)
    refused = world.attach(table, [("four.txt", temp), ("never.txt", "no-such-id")])
    kept = world.has_file(table, "four.txt", patience=3) is not None
    answer = None if refused.good else "yes" if kept else "no"
    yield "partial_attach", "Does a refused `rawFiles` call keep some files?", answer, told(refused)

    empty = world.temps(table, [7])[0]
    taken = world.attach(table, [("missing.txt", empty["id"])])
    answer = "stored as it is" if taken.good else taken.status
    yield "missing_bytes", "`rawFiles` with a temp upload that has no bytes", answer, told(taken)
    none = world.api.call("POST", world.path(table, "/rawFiles"), {"files": []})
    yield "empty_files", "Status of an empty `rawFiles`", none.status, told(none)

    plain = world.api.call("GET", world.path(table, "/rawFiles"))
    is_list = plain.good and isinstance(plain.json.get("results"), list)
    answer = "a JSON list" if is_list else plain.status
    yield "plain_list", "Listing files without `format=arrow`", answer, {}


def file_names(world):
    """Which names files may have."""
    table, _ = world.table("names", isFileIndex=True)
    odd = {"a//b": None, "a/../b": None, "a\\b": None, "a\tb": None}
    for name in odd:
        odd[name] = world.attach(table, [(name, world.staged(table))]).status
    refused = [name for name, status in odd.items() if status >= 400]
    answer = "some are refused" if refused else "taken as they are"
    detail = {repr(name): status for name, status in odd.items()}
    yield "strict_names", "File names that are not relative paths", answer, detail
    first = world.attach(table, [("fold", world.staged(table))])
    second = world.attach(table, [("fold/file", world.staged(table))])
    answer = None if not first.good else "taken" if second.good else second.status
    yield "file_folder", "A file in a folder that has a file's name", answer, told(second)
    world.attach(table, [("case.txt", world.staged(table, b"small"))])
    world.attach(table, [("CASE.txt", world.staged(table, b"large"))])
    world.has_file(table, "CASE.txt")
    both = all(name in world.listing(table).body for name in (b"case.txt", b"CASE.txt"))
    yield "case", "Are names case-sensitive?", "yes" if both else "no", {}
    long = world.attach(table, [("n" * 1025, world.staged(table))])
    yield "long_name", "Status for a file name of 1,025 bytes", long.status, {}


def not_modified(world):
    """Whether a conditional listing misses a change within one second."""
    question = "Is 304 answered although something changed in that second?"
    table, _ = world.table("since", isFileIndex=True)
    temps = [world.staged(table) for _ in range(12)]
    for first, second in zip(temps[::2], temps[1::2]):
        time.sleep(1.02 - time.time() % 1)
        world.attach(table, [(f"a-{first}", first)])
        before = world.listing(table).headers.get("Last-Modified")
        world.attach(table, [(f"b-{second}", second)])
        answer = world.listing(table, **{"If-Modified-Since": before or ""})
        after = world.listing(table).headers.get("Last-Modified")
        if before and before == after:
            missed = answer.status == 304
            yield "not_modified", question, "yes" if missed else "no", {"status": answer.status}
            return
    yield "not_modified", question, None, {"why": "no two changes came within one second"}


def rows(world):
    """Streams: counts, partial failures, schema."""
    table, _ = world.table("rows")
    made = world.stream(table, {"n": "integer", "s": "string"})
    if not made.good:
        yield "stream", "Can a stream upload be made?", None, told(made)
        return
    name, uri = made.json["name"], made.json["uri"]
    end = urllib.parse.unquote(uri.rsplit("/", 1)[-1])
    answer = "its name" if end == name else "an id"
    yield "upload_uri", "What an upload's `uri` ends in", answer, {"ends_in": end}
    added = world.insert(uri, [{"n": n, "s": "x"} for n in range(10)])
    yield "insert_status", "Status of `insertRows`", added.status, added.json

    def count():
        return number(world.api.must("GET", uri).json.get("numRows"))

    answer, detail = lag(world.until(lambda: count() == 10))
    yield "num_rows_lag", "When inserted rows are counted", answer, detail
    shown = world.api.must("GET", uri).json.get("numRows")
    answer = "decimal strings" if isinstance(shown, str) else "numbers"
    yield "upload_numbers", "An upload's numbers are", answer, {"numRows": shown}
    whole = number(world.api.must("GET", world.path(table)).json.get("numRows"))
    answer = "counts them" if whole == 10 else "does not count them yet"
    yield "draft_num_rows", "`numRows` of a draft table with 10 new rows", answer, {"told": whole}

    bad = world.insert(uri, [{"n": 10, "s": "x"}, {"n": "no number", "s": "x"}])
    kept = world.until(lambda: count() == 11, patience=3) is not None
    answer = None if bad.good else "yes" if kept else "no"
    yield "partial_insert", "Do rows before a refused one stay?", answer, told(bad)
    other = world.insert(uri, [{"n": 1, "s": "x", "unheard_of": 1}])
    answer = "taken" if other.good else other.status
    yield "unknown_variable", "A row with a variable that the schema lacks", answer, told(other)
    wide = world.insert(uri, [{"n": 1.5, "s": "x"}])
    answer = "taken" if wide.good else wide.status
    yield "widening", "A fraction in an integer variable", answer, told(wide)
    none = world.insert(uri, [])
    yield "empty_rows", "Status of empty `rows`", none.status, told(none)

    many = world.stream(table, {"n": "integer"}).json["uri"]
    added = world.insert(many, [{"n": n} for n in range(20_000)])
    answer = "at least 20000" if added.good else added.status
    yield "rows_per_call", "Rows that one `insertRows` call takes", answer, {}
    yield large_integers(world, table)
    yield payload_cap(world, many)


def words(world):
    """What is said of variables: when it is seen, and how it is kept."""
    table, _ = world.table("words")
    made = world.stream(table, {"n": "integer"})
    if not made.good or not world.insert(made.json["uri"], [{"n": 1}]).good:
        yield "variable_lag", "When a changed label is read back", None, told(made)
        return
    path, sent = world.path(table, "/variables/n"), "  a probe  "
    said = world.api.call("PATCH", path, {"label": "probed", "description": sent})
    yield "patch_status", "Status of a variable's `PATCH`", said.status, told(said)

    def shown():
        return world.api.must("GET", path).json

    answer, detail = lag(world.until(lambda: shown().get("label") == "probed"))
    yield "variable_lag", "When a changed label is read back", answer, detail
    kept = shown().get("description")
    answer = {sent: "as it was sent", sent.strip(): "trimmed"}.get(kept)
    yield "description_kept", "A description with blanks around it", answer, {"kept": kept}


def large_integers(world, table):
    """Reads a large number back, where the platform lets rows be read."""
    question = "Are integers above 2^53 kept exactly?"
    exact = 9007199254740993
    uri = world.stream(table, {"big": "integer"}).json["uri"]
    world.insert(uri, [{"big": exact}])
    session = world.api.call("POST", uri + "/readSessions", {})
    streams = session.json.get("streams") or []
    if not session.good or not streams:
        return "large_integers", question, None, {"why": f"rows cannot be read back: {session}"}
    body = world.api.call("GET", f"/readStreams/{streams[0]['id']}").body
    # An Arrow stream keeps a 64-bit integer as its eight bytes.
    for value, answer in ((exact, "yes"), (exact - 1, "rounded")):
        if value.to_bytes(8, "little") in body:
            return "large_integers", question, answer, {}
    return "large_integers", question, None, {"why": "the number was not found in the stream"}


def payload_cap(world, uri):
    """Announces bodies of some sizes and sends none of them: a server that knows
    its cap refuses before the body comes."""
    question = "Largest `insertRows` body that is not refused on its announcement"
    largest, refused = None, None
    for size in (99_999_999, 100_000_000, 100_000_001, 104_857_600, 104_857_601):
        status = announce(world, uri + "/rows", size)
        if status == 413:
            refused = size
            break
        largest = size
    detail = {"why": "no announcement was refused"} if refused is None else {"refused": refused}
    return "payload_cap", question, largest if refused else None, detail


def announce(world, path, size):
    """The status that comes before a body of this size is sent; `None`: none."""
    parts = urllib.parse.urlsplit(world.api.endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with socket.create_connection((parts.hostname, port), timeout=10) as plain:
        line = plain
        if parts.scheme == "https":
            context = ssl.create_default_context()
            line = context.wrap_socket(plain, server_hostname=parts.hostname)
        head = (
            f"POST {parts.path}{urllib.parse.quote(path, safe='/:.~_-')} HTTP/1.1\r\n"
            f"Host: {parts.netloc}\r\nAuthorization: Bearer {world.api.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        )
        line.sendall(head.encode())
        line.settimeout(1.5)
        try:
            start = line.recv(32).split()
        except OSError:
            return None
        return int(start[1]) if len(start) > 1 and start[1].isdigit() else None


def uploads(world):
    """Imports, hashes, deletion, pages."""
    table, _ = world.table("uploads")
    content = b"a,b\n1,x\n2,y\n"
    query = {"name": f"{world.prefix}_small.csv", "type": "delimited"}
    made = world.api.call(
        "POST",
        world.path(table, "/uploads"),
        content,
        query=query,
        headers={"Content-Type": "text/csv"},
    )
    if not made.good:
        yield "import", "A small upload as the body of the call", None, told(made)
        return
    uri = made.json["uri"]
    yield "upload_status", "Status of a call that creates an upload", made.status, {}

    def seen():
        return world.api.must("GET", uri).json

    vain = world.until(lambda: seen().get("status") in ("completed", "failed"), patience=300)
    answer, detail = lag(vain)
    yield "import_polls", "When a small import is done", answer, detail
    upload = seen()
    form = {24: "base64", 32: "hex"}.get(len(upload.get("hash") or ""))
    yield "upload_hash_form", "Form of an upload's `hash`", form, {"status": upload.get("status")}
    world.api.must("DELETE", uri)
    answer, detail = lag(world.until(lambda: world.api.call("GET", uri).status == 404))
    yield "delete_lag", "When a deleted upload is gone", answer, detail

    table, _ = world.table("pages")
    for _ in range(101):
        world.stream(table, {"n": "integer"})
    page = world.api.must("GET", world.path(table, "/uploads"), query={"maxResults": 1000}).json
    count = len(page["results"])
    answer = "more than 100" if count > 100 else count
    yield "max_page", "Largest page, of 101 uploads", answer, {"got": count}


def history(world):
    """Whether a draft lists the uploads that it inherits; only reads."""
    question = "Does a draft list the uploads that it inherits?"
    released = world.api.call("GET", f"/datasets/{world.dataset}:current/tables")
    for table in released.json.get("results") or [] if released.good else []:
        if table.get("isFileIndex"):
            continue
        name = table["name"]
        old = world.api.call("GET", f"/tables/{world.dataset}:current.{name}/uploads")
        new = world.api.call("GET", world.path(name, "/uploads"))
        if not old.good or not new.good or not old.json.get("results"):
            continue
        names = {one["name"] for one in new.json["results"]}
        listed = any(one["name"] in names for one in old.json["results"])
        yield "inherited_uploads", question, "yes" if listed else "no", {"table": name}
        return
    yield "inherited_uploads", question, None, {"why": "no released table has uploads"}


def not_asked(world):
    """What a probe cannot find out without harm, or at all; and what was seen."""
    for key, question, why in (
        ("two_writers", "May two writers use one draft?", "one probe is one writer"),
        ("release_while_adding", "May a draft be released while files are added?", "it never releases"),
        ("orphans", "When is the call of a client that died applied?", "it would have to be killed"),
    ):
        yield key, question, None, {"why": why}
    limits = sorted(world.api.limits)
    yield "rate_limit", "`X-RateLimit-Limit`", limits or None, {"calls": world.api.calls}
    waits = sorted(world.api.retry_after)
    answer = waits if world.api.refusals else None
    why = {} if waits else {"why": "no call was refused with 429"}
    yield "retry_after", "`Retry-After` of a 429", answer, {"refusals": world.api.refusals, **why}


PARTS = [
    creating,
    temp_uploads,
    storage,
    files,
    file_names,
    not_modified,
    rows,
    words,
    uploads,
    history,
    not_asked,
]
