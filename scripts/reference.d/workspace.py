"""The files of a workspace: YAML documents by kind, and templates in Markdown files.

Every scalar is kept as the text that stands in the file, so `yes`, `no`, `on` and `off` are plain words.
"""

from pathlib import Path

import yaml

from times import parse_clock, parse_duration, zone_of

KINDS = ("workspace", "source", "connector", "model", "playbook", "template", "layout")


def documents(path):
    """The documents of one file; a Markdown file is one template whose body stands below its keys."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".md":
        return [document for document in yaml.load_all(text, Loader=yaml.BaseLoader) if document]
    _, head, body = text.split("---\n", 2)
    return [dict(yaml.load(head, Loader=yaml.BaseLoader), body=body)]


class Workspace:
    """Everything that the folder says, by kind and id, in the order of the files."""

    def __init__(self, root):
        self.by_kind = {kind: {} for kind in KINDS}
        for folder in ("config", "rules", "templates"):
            for path in sorted(Path(root, folder).rglob("*")):
                if path.suffix in (".yaml", ".yml", ".md") and path.is_file():
                    for document in documents(path):
                        self.add(document)
        (self.id, self.shop), = self.by_kind["workspace"].items()
        self.zone = zone_of(self.shop.get("timezone", "UTC"))
        self.currency = self.shop["currency"]
        self.traits = self.shop.get("traits", {}).get("customer", {})
        self.events, self.reverses, self.by = {}, {}, {}
        for kind, fields in self.shop.get("events", {}).items():
            fields = dict(fields or {})
            if "reverses" in fields:
                self.reverses[kind] = fields.pop("reverses")
                self.by[kind] = fields.pop("by")
            self.events[kind] = fields
        self.sources = list(self.by_kind["source"].values())
        self.stale_after = parse_duration(self.shop.get("sending", {}).get("stale_after", "24h"))
        self.allow_only = self.shop.get("sending", {}).get("allow_only")

    def add(self, document):
        kind = next(iter(document))
        self.by_kind[kind][document[kind]] = document

    def trait_of_key(self, name, default):
        """`keys.email: customer.email` as the trait's name."""
        return self.shop.get("keys", {}).get(name, default).removeprefix("customer.")

    def shared_money(self, refund):
        """The money fields that a refund kind has in common with the kind that it takes back."""
        original = self.events[self.reverses[refund]]
        return [field for field, type_ in self.events[refund].items() if type_ == "money" and original.get(field) == "money"]

    def consent_traits(self):
        """Two maps to traits: of channels, and of topics."""
        consent = dict(self.shop.get("consent", {}))
        topics = consent.pop("topics", {})
        strip = lambda traits: {name: trait.removeprefix("customer.") for name, trait in traits.items()}
        return strip(consent), strip(topics)

    def quiet_hours(self):
        """(from, to, zone word, channels or None), or None when there are none."""
        quiet = self.shop.get("quiet_hours")
        if not quiet:
            return None
        return parse_clock(quiet["from"]), parse_clock(quiet["to"]), quiet.get("zone", "customer"), quiet.get("applies_to")
