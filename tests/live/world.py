"""The tables of one probe: made under a prefix of their own, and deleted at the
end, whatever happens."""

import json
import time

import api as client
from api import Stop


class World:
    """A dataset's draft, and what we made in it."""

    def __init__(self, api, dataset, prefix, note):
        self.api, self.dataset, self.prefix, self.note = api, dataset, prefix, note
        self.draft = f"/datasets/{dataset}:next"
        self.tables = []
        self.serial = 0

    def open(self):
        """Sees to it that the dataset has a draft."""
        seen = self.api.call("GET", f"/datasets/{self.dataset}")
        if seen.status in (401, 403):
            raise Stop(f"the token may not read `{self.dataset}`: {seen}")
        if not seen.good:
            raise Stop(f"dataset `{self.dataset}` cannot be read: {seen}")
        if not self.api.call("GET", self.draft).good:
            self.api.must("POST", f"/datasets/{self.dataset}/versions")
            self.note(f"`{self.dataset}` had no draft; one was created and stays")

    def path(self, table, rest=""):
        return f"/tables/{self.dataset}:next.{table}{rest}"

    def claim(self, suffix):
        """The name of a table that is to be deleted at the end."""
        name = f"{self.prefix}_{suffix}"
        self.tables.append(name)
        return name

    def table(self, suffix, **fields):
        """Makes a table; answers its name and the answer."""
        name = self.claim(suffix)
        body = {"name": name, **fields}
        answer = self.api.call("POST", f"{self.draft}/tables", body)
        if not answer.good:
            raise Stop(f"table `{name}` cannot be made: {answer}")
        return name, answer

    def close(self):
        """Deletes every table under the prefix; answers those that are left."""
        left = []
        for name in self.tables:
            try:
                self.api.call("DELETE", self.path(name))
                if self.api.call("GET", self.path(name)).good:
                    left.append(name)
            except Stop as why:
                left.append(f"{name} ({why})")
        return left

    # Temp uploads and files.

    def unique(self, word="temp"):
        self.serial += 1
        return f"{self.prefix}-{word}-{self.serial}"

    def temps(self, table, sizes, resumable=False):
        wanted = [
            {"name": self.unique(), "size": size, "resumable": resumable} for size in sizes
        ]
        answer = self.api.must("POST", self.path(table, "/tempUploads"), {"tempUploads": wanted})
        return answer.json["results"]

    def staged(self, table, content=b"probe"):
        """A temp upload that holds its bytes."""
        temp = self.temps(table, [len(content)])[0]
        put = self.api.raw("PUT", temp["url"], content)
        if not put.good:
            raise Stop(f"the storage answered {put} to a PUT")
        return temp["id"]

    def attach(self, table, files):
        body = {"files": [{"name": name, "tempUploadId": temp} for name, temp in files]}
        return self.api.call("POST", self.path(table, "/rawFiles"), body)

    def listing(self, table, **headers):
        return self.api.call(
            "GET", self.path(table, "/rawFiles"), query={"format": "arrow"}, headers=headers
        )

    def has_file(self, table, name, patience=client.PATIENCE):
        """Listings that lacked a file until it was there; `None`: never there."""
        lacked = self.until(lambda: name.encode() in self.listing(table).body, patience)
        return lacked

    # Uploads.

    def stream(self, table, schema, name=None):
        body = {"name": name or self.unique("rows").replace("-", "_"), "type": "stream"}
        body["schema"] = [{"name": one, "type": kind} for one, kind in schema.items()]
        return self.api.call("POST", self.path(table, "/uploads"), body)

    def insert(self, uri, rows):
        return self.api.call("POST", uri + "/rows", {"rows": rows})

    @staticmethod
    def until(holds, patience=client.PATIENCE):
        """How often `holds` was asked in vain; `None` when patience ended."""
        end, vain, pause = time.monotonic() + patience, 0, 0.1
        while not holds():
            vain += 1
            if time.monotonic() > end:
                return None
            time.sleep(pause)
            pause = min(pause * 1.5, 3)
        return vain


def number(value):
    """A number that may come as a text."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


def shape_of(error):
    """The form of a JSON error."""
    try:
        told = json.loads(error)
    except ValueError:
        return "not JSON"
    inner = told.get("error")
    return "nested" if isinstance(inner, dict) else "flat" if isinstance(inner, str) else "other"
