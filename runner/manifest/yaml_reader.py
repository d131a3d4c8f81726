"""YAML manifests: `version, name, model, defaults, sources, matrix, jobs, overrides, output, run, x-*`.

The jobs are read one by one, after everything else is known. Where something follows them in the file, the file is read
twice: the first time without them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import yaml

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.head import Head, Settings, read_head
from runner.manifest.items import Entry, Item
from runner.manifest.templates import Names
from runner.manifest.unquoted import OF_ALL, check_own, check_swallowed, check_unquoted, has_colon, is_plain
from runner.manifest.yaml_core import Document, Refused, TooLarge
from runner.manifest.yaml_problems import report_syntax

JOBS: Final = "jobs"


class YamlManifest:
    """A YAML file: its head at once, its jobs as they are asked for. What is wrong goes to the findings."""

    def __init__(
        self,
        text: str,
        settings: Settings,
        findings: Findings,
        fields_of: Callable[[Any], frozenset[str]] = lambda _: frozenset(),
    ) -> None:
        """`fields_of` are the fields of a model, that of the job or of none, as far as they are known."""
        self._text = text
        self._findings = findings
        self._fields_of = fields_of
        self._document = Document(text, findings)
        self._is_flow = False
        self._is_at_jobs = False
        self._has_jobs = False
        self.head = Head()
        keys = None
        with self._telling():
            keys = self._read_keys()
            if keys is not None:
                self.head = read_head(self._document, keys, settings, findings, fields_of)
        if keys is None:
            self._has_jobs = False
        elif not self._has_jobs and "sources" not in keys:
            hint = "add  jobs:  with at least one entry, or  sources:"
            findings.error("no-jobs", Place(), "there is no list `jobs:`", hint)

    def line(self, number: int) -> str:
        """The text of a line, counted from 1."""
        lines = re.finditer(r"[^\r\n]*(?:\r\n|\r|\n|\Z)", self._text)
        return next(itertools.islice(lines, number - 1, None), re.match("", ""))[0].rstrip("\r\n")  # type: ignore[index]

    def jobs(self) -> Iterator[Item]:
        """The entries under `jobs:`."""
        if not self._has_jobs:
            return
        with self._telling():
            if not self._is_at_jobs:
                self._document = Document(self._text, Findings(""))
                self._to_jobs()
            yield from self._items()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """What makes a text no YAML, or none that is read, ends the reading and goes to the findings."""
        try:
            yield
        except Refused:
            pass
        except TooLarge:
            hint = "aliases (*name) and merges (<<) that hold one another multiply: write it out"
            self._findings.error("yaml-bomb", Place(), "refused: it unfolds to more than anybody writes", hint)
        except yaml.MarkedYAMLError as error:
            report_syntax(self._text, error, self._findings)
        except (yaml.YAMLError, ValueError) as error:
            self._tell(error)

    def _tell(self, error: yaml.YAMLError | ValueError) -> None:
        """A character that YAML does not take; the parser gives its number, and not its place in the text."""
        character = getattr(error, "character", None)
        at = self._text.find(chr(character)) if isinstance(character, int) else -1
        start = self._text.rfind("\n", 0, at) + 1
        place = Place(line=self._text.count("\n", 0, at) + 1, column=at - start + 1) if at >= 0 else Place()
        message = f"not YAML: {str(error).splitlines()[0][:200]}"
        self._findings.error("yaml-syntax", place, message, "remove that character")

    # --------------------------------------------------------------------------------------------------------- head

    def _read_keys(self) -> dict[str, tuple[yaml.Node, yaml.Node]] | None:
        """The top-level keys and values, without the jobs; `None` where there is no mapping."""
        document = self._document
        if not self._begin(document):
            hint = "it begins with `version: 1` and a list `jobs:`"
            self._findings.error("manifest", Place(), "a manifest is a mapping", hint)
            return None
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        pairs: list[tuple[yaml.Node, yaml.Node]] = []
        while not isinstance(document.peek(), yaml.MappingEndEvent):
            key_node = document.compose()
            if isinstance(key_node, yaml.ScalarNode) and key_node.value == JOBS and not self._has_jobs:
                self._has_jobs = True
                if self._is_last(key_node):
                    self._is_at_jobs = True
                    break
                document.skip()
                continue
            pairs.append((key_node, document.compose()))
            if isinstance(key_node, yaml.ScalarNode) and key_node.value == JOBS:
                message = "duplicate key 'jobs' in the manifest"
                self._findings.error("duplicate-key", document.place(key_node), message, "keep one of them")
                pairs.pop()
        else:
            self._end(document)
        top = yaml.MappingNode("", pairs)
        for key, key_node, value in document.items(top, "the manifest", self._findings):
            if key == JOBS:
                place = document.place(key_node)
                self._findings.error(JOBS, place, "jobs cannot be merged in", "write them out, as  jobs:  with a list")
                raise Refused
            if key.startswith("x-"):
                check_own(key, document.place(key_node), self._findings)
            else:
                found[key] = (key_node, value)
        return found

    def _begin(self, document: Document) -> bool:
        """Step into the top-level mapping; whether there is one."""
        for _ in range(2):
            if not isinstance(document.peek(), (yaml.StreamStartEvent, yaml.DocumentStartEvent)):
                return False
            document.next()
        if not isinstance(document.peek(), yaml.MappingStartEvent):
            if not isinstance(document.peek(), yaml.StreamEndEvent):
                document.skip()
                self._end(document, is_open=False)
            return False
        self._is_flow = bool(document.next().flow_style)
        return True

    def _end(self, document: Document, *, is_open: bool = True) -> None:
        """Read on to the end of the file: what comes after the mapping is an error too."""
        if is_open:
            document.next()
        if isinstance(document.peek(), yaml.DocumentEndEvent):
            document.next()
        event = document.peek()
        if not isinstance(event, yaml.StreamEndEvent):
            what = "expected a single document in the stream"
            raise yaml.composer.ComposerError(what, event.start_mark, "but found another document", event.start_mark)

    def _is_last(self, key: yaml.Node) -> bool:
        """Whether no other key can follow: no later line begins at the column of this one, save for the list itself."""
        if self._is_flow:
            return False
        indent = " " * key.start_mark.column
        return re.compile(rf"[\r\n]{indent}[^ \t#\r\n-]").search(self._text, key.end_mark.index) is None

    def _to_jobs(self) -> None:
        """Read on to the value of `jobs`, in a document that was read once without complaint."""
        self._begin(self._document)
        while True:
            key = self._document.compose()
            if isinstance(key, yaml.ScalarNode) and key.value == JOBS:
                return
            self._document.compose()

    # --------------------------------------------------------------------------------------------------------- jobs

    def _items(self) -> Iterator[Item]:
        document = self._document
        event = document.peek()
        if isinstance(event, yaml.SequenceStartEvent) and event.anchor is None:
            document.next()
            number = 0
            while not isinstance(document.peek(), yaml.SequenceEndEvent):
                if (item := self._item(document.compose(), number)) is not None:
                    yield item
                number += 1
            document.next()
        else:
            node = document.compose()
            if not isinstance(node, yaml.SequenceNode):
                self._findings.error(
                    "jobs", document.place(node), "jobs: expected a list", "begin each job with  - id: …"
                )
                return
            for number, entry in enumerate(node.value):
                if (item := self._item(entry, number)) is not None:
                    yield item
        if not self._is_at_jobs:
            return
        if not isinstance(document.peek(), yaml.MappingEndEvent):
            place = document.place(document.compose())
            self._findings.error("unknown-key", place, "a key after jobs", "put jobs at the end")
            return
        self._end(document)

    def _item(self, node: yaml.Node, number: int) -> Item | None:
        document, findings = self._document, self._findings
        if not isinstance(node, yaml.MappingNode):
            hint = "write  - id: …  with its fields below"
            findings.error("job", document.place(node), f"jobs[{number}] is not a mapping", hint)
            return None
        fields: dict[str, Any] = {}
        nodes: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        own: list[tuple[str, yaml.Node]] = []
        for key, key_node, value in document.items(node, f"jobs[{number}]", findings):
            if key.startswith("x-"):
                check_own(key, document.place(key_node), findings, has_value=has_colon(document, key_node))
                own.append((key, value))
                continue
            if key == "id" and isinstance(value, yaml.ScalarNode):
                fields[key] = value.value  # as written: 00123 keeps its zeros
            else:
                fields[key] = document.value(value, findings)
            nodes[key] = (key_node, value)
        if not is_plain(document, node):
            known = OF_ALL | self._fields_of(fields.get("model") or self.head.fields.get("model"))
            for key, (key_node, value) in nodes.items():
                check_unquoted(document, key, key_node, value, findings, known)
            for key, value in own:
                check_swallowed(document, key, value, findings, known)

        def at(*path: str | int) -> Place:
            found = nodes.get(str(path[0])) if path else None
            if found is None:
                return document.place(node)
            key_node, value = found
            item = path[1] if len(path) > 1 else None
            if isinstance(value, yaml.SequenceNode) and isinstance(item, int) and item < len(value.value):
                return document.place(value.value[item])
            is_shown = isinstance(value, yaml.ScalarNode) and value.value
            return document.place(value if is_shown else key_node)

        id_at = ""
        if "id" in nodes:
            mark = nodes["id"][1].start_mark
            id_at = f"{mark.line + 1}:{mark.column + 1}"
        line = node.start_mark.line + 1
        return Entry(fields, f"{findings.file}:{line}", at, Names({}), id_at=id_at, is_job=True)
