#!/usr/bin/env python3
"""Every request that a vendor's connector can produce is valid by the vendor's own description of its API.

The program vendor_requests writes them; the descriptions are in ../shared/specs. Where those are not there, nothing
can be compared, and the test says so.
"""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPECS = ROOT.parent / "shared" / "specs"

# Host: the descriptions of what is there, the vendor's own before those that others wrote.
DESCRIPTIONS = {
    "api.hubapi.com": sorted(p.relative_to(SPECS).as_posix() for p in SPECS.glob("hubspot/*.json")),
    "us21.api.mailchimp.com": ["mailchimp/marketing.subset.swagger2.json"],
    "mandrillapp.com": ["mailchimp/transactional.subset.json"],
    "app.pendo.io": ["pendo/hand-written.json"],
    "api.appcues.com": ["appcues/hand-written.json"],
    "api.mixpanel.com": ["mixpanel/ingestion.json"],
    "login.salesforce.com": ["salesforce/hand-written.upsert-email-token.json"],
    "lumen.my.salesforce.com": ["salesforce/hand-written.upsert-email-token.json", "salesforce/third-party.rest-v59.json"],
}

# HubSpot describes its contacts and its companies in the same words; the file about companies is not among these.
ALIKE = {"hubspot/crm-contacts.v3.json": ("contacts", "companies")}

# What the vendor's pages name and its description of 2023 does not have yet.
NAMED_ELSEWHERE = {("api.mixpanel.com", "/engage"): {"ip", "strict"}}


def mended(node):
    """The description without what its own generator got wrong.

    - HubSpot's Java generator writes "any value" as an object without properties (its replies put texts there).
    - Mailchimp Transactional joins {"key"} and {"message", ...} by allOf and forbids other keys beside "key", so that
      nothing at all could be valid.
    """
    if isinstance(node, list):
        return [mended(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "object" and node.get("properties") == {} and "additionalProperties" not in node:
        return {}
    out = {key: mended(value) for key, value in node.items()}
    if out.get("additionalProperties") is False and out.get("required") == ["key"]:
        del out["additionalProperties"]
    return out


def resolved(spec, node):
    """What a reference stands for."""
    at = node
    if "$ref" in node:
        at = spec
        for part in node["$ref"].split("/")[1:]:
            at = at[part]
    return at


def all_of(names):
    """Each description by its name, and of some another like it."""
    for name in names:
        spec = mended(json.loads((SPECS / name).read_text()))
        yield name, spec
        if name in ALIKE:
            one, other = ALIKE[name]
            paths = {template.replace("/" + one, "/" + other): methods for template, methods in spec["paths"].items()}
            yield name.replace(one, other), dict(spec, paths=paths)


class Descriptions:
    def __init__(self, folder):
        self.operations = {}  # Host: [(pattern, template, file, methods)]
        for host, names in DESCRIPTIONS.items():
            rows = self.operations.setdefault(host, [])
            for name, spec in all_of(names):
                if spec.get("openapi", "").startswith("3.1"):
                    spec["openapi"] = "3.0.3"  # The validator takes its lists of types all the same.
                file = pathlib.Path(folder) / name.replace("/", "_")
                file.write_text(json.dumps(spec))
                for template, methods in spec["paths"].items():
                    rows.append((re.compile("/".join(
                        "(?P<%s>[^/]+)" % part[1:-1] if part.startswith("{") else re.escape(part)
                        for part in template.split("/"))), template, file, methods, spec))
            # "/contacts/batch/upsert" before "/contacts/{contactId}", and a vendor's file before others'.
            rows.sort(key=lambda row: row[1].count("{"))

    def find(self, method, url):
        """The operation, and the path's parameters; None when the vendor has no such call."""
        for pattern, template, file, methods, spec in self.operations.get(url.netloc, []):
            hit = pattern.fullmatch(url.path)
            if hit and method.lower() in methods:
                parameters = methods.get("parameters", []) + methods[method.lower()].get("parameters", [])
                parameters = [resolved(spec, one) for one in parameters]
                parameters = [dict(one, schema=resolved(spec, one.get("schema", {}))) for one in parameters]
                names = {key: urllib.parse.unquote(value) for key, value in hit.groupdict().items()}
                return template, file, parameters, names
        return None


def typed(parameters, where, texts):
    """Texts of an address as what the description says that they are; lists are split by the validator."""
    out = {}
    for name, text in texts.items():
        spec = next((one for one in parameters if one.get("in") == where and one.get("name") == name), {})
        kind = spec.get("type") or spec.get("schema", {}).get("type")
        if kind == "integer" and re.fullmatch(r"-?\d+", text):
            out[name] = int(text)
        elif kind == "boolean" and text in ("true", "false"):
            out[name] = text == "true"
        else:
            out[name] = text
    return out


class Validator:
    def __init__(self, descriptions):
        self.descriptions = descriptions
        self.process = subprocess.Popen(["/usr/bin/perl", str(pathlib.Path(__file__).with_name("openapi_validate.pl"))],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def problems(self, request):
        url = urllib.parse.urlsplit(request["url"])
        found = self.descriptions.find(request["method"], url)
        if found is None:
            return ["the vendor describes no %s %s" % (request["method"], url.path)]
        template, file, parameters, names = found
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        known = {one.get("name") for one in parameters if one.get("in") == "query"}
        for name in NAMED_ELSEWHERE.get((url.netloc, url.path), ()):
            query.pop(name, None)
        problems = ["unknown parameter " + name for name in query if name not in known]
        line = {"spec": str(file), "method": request["method"].lower(), "path": template,
                "params": {"path": typed(parameters, "path", names), "query": typed(parameters, "query", query)}}
        if request["body"]:
            line["type"] = request["headers"].get("Content-Type", "")
            line["body"] = (dict(urllib.parse.parse_qsl(request["body"], keep_blank_values=True))
                            if line["type"] == "application/x-www-form-urlencoded" else json.loads(request["body"]))
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("the validator ended at " + json.dumps(line)[:500])
        return problems + json.loads(answer)

    def batch_problems(self, request):
        """Of a Mailchimp batch each operation is a request of its own."""
        problems = []
        for one in json.loads(request["body"])["operations"]:
            base = request["url"][:-len("/batches")]
            inner = {"method": one["method"], "url": base + one["path"] + "?" + urllib.parse.urlencode(one.get("params", {})),
                     "headers": {"Content-Type": "application/json"}, "body": one["body"]}
            problems += self.problems(inner)
        return problems


def broken(request):
    """The request with one thing wrong, in several ways."""
    wrong_path = copy.deepcopy(request)
    wrong_path["url"] = wrong_path["url"].split("?")[0] + "/nowhere/at/all"
    yield "path", wrong_path
    wrong_query = copy.deepcopy(request)
    wrong_query["url"] += ("&" if "?" in request["url"] else "?") + "unheard_of=1"
    yield "query", wrong_query
    wrong_method = copy.deepcopy(request)
    wrong_method["method"] = "TRACE"
    yield "method", wrong_method
    if not request["body"] or request["headers"]["Content-Type"] != "application/json":
        return
    body = json.loads(request["body"])
    if isinstance(body, list):
        yield "entry", dict(copy.deepcopy(request), body="[7]")
        return
    for name in ("inputs", "properties", "members", "operations", "records", "email_address", "tags", "message", "emailId",
                 "recordIdsToAdd", "associations", "filterGroups", "patch", "user_ids", "visitorId"):
        if name in body:
            other = copy.deepcopy(request)
            other["body"] = json.dumps(dict(body, **{name: 7 if name != "emailId" else "x"}))
            yield "type of " + name, other


def check_that_faults_are_found(validator, requests):
    """A validator that finds nothing would pass everything: it must find what is broken on purpose."""
    tried = 0
    seen = set()
    for request in requests:
        shape = (request["method"], re.sub(r"[0-9a-f]{16,}|\d+", "N", request["url"].split("?")[0]))
        if shape in seen:
            continue
        seen.add(shape)
        for what, wrong in broken(request):
            tried += 1
            if not validator.problems(wrong):
                sys.exit("a fault was not found: %s of %s %s" % (what, request["method"], request["url"]))
    required = json.loads(json.dumps(next(r for r in requests if r["url"].endswith("/objects/tasks"))))
    required["body"] = json.dumps({"properties": {}})
    if not validator.problems(required):
        sys.exit("a task without associations was not found to be wrong")
    return tried + 1, len(seen)


def main():
    if not SPECS.is_dir():
        print("vendors' descriptions are not there (../shared/specs): nothing to compare with")
        return
    lines = subprocess.run([os.environ["VENDOR_REQUESTS"]], check=True, capture_output=True, text=True).stdout.splitlines()
    requests = [json.loads(line) for line in dict.fromkeys(lines)]
    with tempfile.TemporaryDirectory() as folder:
        validator = Validator(Descriptions(folder))
        bad = 0
        for request in requests:
            problems = validator.problems(request)
            if request["url"].endswith("/3.0/batches"):
                problems += validator.batch_problems(request)
            if problems:
                bad += 1
                print("%s %s\n  %s\n  %s" % (request["method"], request["url"], request["body"][:600], problems[:5]))
        faults, shapes = check_that_faults_are_found(validator, requests)
        validator.process.stdin.close()
        validator.process.wait()
    connectors = sorted({request["connector"] for request in requests})
    print("%d requests of %d kinds by %s: %d are wrong; %d faults made on purpose were found"
          % (len(requests), shapes, ", ".join(connectors), bad, faults))
    if bad or shapes < 18 or connectors != sorted(
            ["hubspot", "mailchimp", "salesforce", "pendo", "appcues", "mixpanel"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
