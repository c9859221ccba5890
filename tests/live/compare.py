"""Holds what a probe of the sandbox found against the switches that the sandbox
was told: `compare.py FINDINGS CHARACTER BEHAVIOUR_RS`. Every switch is compared,
or stands in `UNSEEN` with the reason."""

import json
import re
import sys

YES_NO = {"true": "yes", "false": "no"}
FORMS = {"DigestForm::Base64": "base64", "DigestForm::Hex": "hex"}


def number(text):
    """The value of a Rust expression such as `8 << 20`."""
    if not re.fullmatch(r"[0-9_ *<]+", text):
        raise SystemExit(f"compare: cannot read the number `{text}`")
    return eval(text.replace("_", ""), {"__builtins__": {}})  # digits and operators only


# Switch: the keys of its questions, and what a value of it makes their answer.
SEEN = {
    "max_entries_per_call": (["max_entries"], number),
    "failed_attach_spends_ids": (["failed_spends"], YES_NO.get),
    "attach_is_partial": (["partial_attach"], YES_NO.get),
    "missing_bytes": (
        ["missing_bytes"],
        {"MissingBytes::Refuse": 400, "MissingBytes::StoreWhatIsThere": "stored as it is"}.get,
    ),
    "file_md5_form": (["md5_form"], FORMS.get),
    "upload_hash_form": (["upload_hash_form"], FORMS.get),
    "null_md5_from_bytes": (
        ["session_md5"],
        lambda text: "given" if text == "None" else "null",
    ),
    "storage_on_api_origin": (
        ["storage_origin"],
        {"true": "the API's origin", "false": "another origin"}.get,
    ),
    "storage_refuses_authorization": (
        ["storage_authorization"],
        {"true": "refused", "false": "taken"}.get,
    ),
    "resume_incomplete_as_200": (
        ["resume_status"],
        {"true": "200 with override 308", "false": "308"}.get,
    ),
    "json_file_list": (["plain_list"], {"true": "a JSON list", "false": 400}.get),
    "partial_inserts": (["partial_insert"], YES_NO.get),
    "strict_file_names": (
        ["strict_names"],
        {"true": "some are refused", "false": "taken as they are"}.get,
    ),
    "refuses_file_folder_clash": (["file_folder"], {"true": 400, "false": "taken"}.get),
    "created_status": (["created_status", "temp_status", "upload_status"], number),
    "max_page": (["max_page"], lambda text: "more than 100" if number(text) > 100 else number(text)),
    "duplicate_status": (["duplicate_status"], number),
    "not_modified_within_second": (["not_modified"], YES_NO.get),
    "collapses_underscores": (
        ["underscores"],
        {"true": "become one", "false": "they stay"}.get,
    ),
    "temp_names_unique": (
        ["temp_names"],
        {"true": "must be unique", "false": "need not be unique"}.get,
    ),
    "numbers_as_strings": (
        ["upload_numbers"],
        {"true": "decimal strings", "false": "numbers"}.get,
    ),
    "error_shape": (["error_shape"], {"ErrorShape::Flat": "flat", "ErrorShape::Nested": "nested"}.get),
    "upload_uri_has_id": (["upload_uri"], {"true": "an id", "false": "its name"}.get),
    "max_description": (["max_description"], number),
    "merge_ignored_at_create": (["merge_at_create"], {"true": "ignored", "false": "works"}.get),
    "unknown_version_is_current": (
        ["unknown_version"],
        {"true": "the current one", "false": 404}.get,
    ),
    "draft_num_rows_is_stale": (
        ["draft_num_rows"],
        {"true": "does not count them yet", "false": "counts them"}.get,
    ),
    "lists_inherited_uploads": (["inherited_uploads"], YES_NO.get),
    "tidies_metadata": (["description_kept"], {"true": "trimmed", "false": "as it was sent"}.get),
}
# Switch: its question; the switch counts the reads that lack the change. Some
# reads are its own: of an import, the one that says `running`.
LAGS = {
    "file_listing_lag": "listing_lag",
    "num_rows_lag": "num_rows_lag",
    "delete_lag": "delete_lag",
    "import_polls": "import_polls",
    "variable_lag": "variable_lag",
}
UNSEEN = {
    "temp_url_life_ms": "waiting for it takes hours",
    "integers_through_double": "the sandbox has no call that reads rows back",
    "refuses_rows_with": "a rule of tests, not of a character",
    "resumable_from_bytes": "a rule of tests, not of a character",
    "orphan_lag": "a client would have to be killed",
}


def switches(source, character):
    """The fields of `fn friendly()`, and for `worst` its own on top."""

    def of(name):
        body = re.search(rf"pub fn {name}\(\) -> Self \{{\s*Self \{{(.*?)\n        \}}", source, re.S)
        return dict(re.findall(r"^\s+(\w+): (.+),$", body.group(1), re.M))

    found = of("friendly")
    if character == "worst":
        found |= of("worst")
    declared = re.findall(r"^    pub (\w+): ", source, re.M)
    if sorted(declared) != sorted(found):
        raise SystemExit(f"compare: fields {set(declared) ^ set(found)} could not be read")
    return found


def main():
    findings, character, behaviour = sys.argv[1:]
    with open(findings) as text:
        report = json.load(text)
    with open(behaviour) as text:
        told = switches(text.read(), character)
    found = {one["key"]: one for one in report["findings"]}
    wrong, compared = [], 0
    for switch, value in told.items():
        if switch in UNSEEN:
            continue
        if switch in LAGS:
            one = found.get(LAGS[switch], {})
            lag = number(value)
            wanted = [max(0, lag - 1), lag] if lag else [0]
            got = one.get("detail", {}).get("reads_that_lacked_it")
            pairs = [(LAGS[switch], got if got not in wanted else wanted, wanted)]
        elif switch in SEEN:
            keys, expected = SEEN[switch]
            pairs = [(key, found.get(key, {}).get("answer"), expected(value)) for key in keys]
        else:
            pairs = [(switch, "not compared", "a line in SEEN, LAGS or UNSEEN")]
        for key, got, wanted in pairs:
            compared += 1
            if got != wanted:
                wrong.append(f"{switch} = {value}: {key} was found as {got!r}, not {wanted!r}")
    for text in wrong:
        print(f"compare: {text}")
    print(
        f"{character}: {compared} answers of {len(told) - len(UNSEEN)} switches compared, "
        f"{len(wrong)} wrong; {len(UNSEEN)} switches cannot be seen"
    )
    sys.exit(1 if wrong else 0)


main()
