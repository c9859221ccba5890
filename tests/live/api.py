"""Calls to the platform with nothing but Python's own library. The token goes to
the API's origin, or over https to redivis.com, and is never printed."""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

DEFAULT = "https://redivis.com/api/v1"
PATIENCE = 30  # seconds for something that may lag


class Stop(Exception):
    """The probe cannot go on; its text says why."""


class Answer:
    """Status, headers and body of one answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def good(self):
        return 200 <= self.status < 300

    @property
    def json(self):
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            return {}

    def __str__(self):
        return f"{self.status} {self.body[:200]!r}"


class _Raw(urllib.request.HTTPErrorProcessor):
    """Every answer is an answer: no redirects, no errors."""

    def http_response(self, request, response):
        return response

    https_response = http_response


def _origin(url):
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


class Api:
    """The platform, as one token sees it."""

    def __init__(self, token, endpoint):
        self.token, self.endpoint = token, endpoint.rstrip("/")
        scheme, host, _ = _origin(self.endpoint)
        loopback = host in ("127.0.0.1", "localhost", "::1")
        if scheme != "https" and not loopback:
            raise Stop("the endpoint must be https, or on this machine")
        handlers = [_Raw()]
        if loopback:
            handlers.append(urllib.request.ProxyHandler({}))
        self.opener = urllib.request.build_opener(*handlers)
        self.calls, self.refusals, self.limits, self.retry_after = 0, 0, set(), set()

    def may_have_token(self, url):
        scheme, host, _ = _origin(url)
        ours = scheme == "https" and (host == "redivis.com" or host.endswith(".redivis.com"))
        return _origin(url) == _origin(self.endpoint) or ours

    def raw(self, method, url, body=None, headers=None, timeout=120):
        """One exchange. A connection that fails is an `OSError`."""
        headers = dict(headers or {})
        if "Authorization" not in headers and self.may_have_token(url):
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(url, data=body, method=method, headers=headers)
        # Python would say that a body is a form.
        if body is not None and not request.has_header("Content-type"):
            request.add_unredirected_header("Content-type", "application/octet-stream")
        with self.opener.open(request, timeout=timeout) as response:
            return Answer(response.status, response.headers, response.read())

    def call(self, method, path, body=None, query=None, headers=None):
        """A call of the API; waits when it is told to. Reads are repeated."""
        url = self.endpoint + urllib.parse.quote(path, safe="/:.~_-")
        if query:
            url += "?" + urllib.parse.urlencode(query)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if body is None and method in ("POST", "PATCH", "PUT"):
            body = b""
        for attempt in range(8):
            self.calls += 1
            try:
                answer = self.raw(method, url, body, headers)
            except OSError as error:
                if method not in ("GET", "HEAD") or attempt == 7:
                    raise Stop(f"{method} {path}: {error}") from None
                time.sleep(2**attempt / 2)
                continue
            self._pace(answer)
            if answer.status == 429:
                self.refusals += 1
                self._wait(answer)
            elif answer.status in (500, 502, 503, 504) and method in ("GET", "HEAD"):
                time.sleep(2**attempt / 2)
            else:
                return answer
        raise Stop(f"{method} {path}: still {answer.status} after {attempt + 1} attempts")

    def must(self, method, path, body=None, **more):
        """A call whose failure ends the probe."""
        answer = self.call(method, path, body, **more)
        if not answer.good:
            raise Stop(f"{method} {path} answered {answer}")
        return answer

    def _pace(self, answer):
        limit, left = (answer.headers.get(f"X-RateLimit-{name}") for name in ("Limit", "Remaining"))
        if limit and left and limit.isdigit() and left.isdigit():
            self.limits.add(int(limit))
            if int(left) <= int(limit) // 10:
                time.sleep(1)

    def _wait(self, answer):
        asked = answer.headers.get("Retry-After", "")
        self.retry_after.add(asked)
        seconds = float(asked) if asked.replace(".", "", 1).isdigit() else 5.0
        if seconds > 10**8:
            seconds = seconds / (1000 if seconds > 10**11 else 1) - time.time()
        time.sleep(min(max(seconds, 1), 300))


def from_environment():
    """Token, endpoint and dataset, or exit 64 with what is missing."""
    needed = {
        "REDIVIS_API_TOKEN": "a token with the scope data.edit",
        "REDIVIS_INGEST_LIVE_DATASET": "a dataset to write to, as owner.name; use one made for this",
    }
    missing = [name for name in needed if not os.environ.get(name, "").strip()]
    if missing:
        print("skipped: this talks to the real platform, and needs", file=sys.stderr)
        for name in missing:
            print(f"  {name}: {needed[name]}", file=sys.stderr)
        print("See docs/live.md for what it does there.", file=sys.stderr)
        sys.exit(64)
    dataset = os.environ["REDIVIS_INGEST_LIVE_DATASET"].strip()
    if dataset.count(".") != 1 or ":" in dataset or not all(dataset.split(".")):
        print("REDIVIS_INGEST_LIVE_DATASET must be owner.name", file=sys.stderr)
        sys.exit(64)
    endpoint = os.environ.get("REDIVIS_API_ENDPOINT", "").strip() or DEFAULT
    return os.environ["REDIVIS_API_TOKEN"].strip(), endpoint, dataset
