"""What a manifest says of a table, and what it gives to its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.manifest.diagnostics import Place
from runner.manifest.presets import Preset
from runner.manifest.templates import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One entry under `sources:`, or a table that is a manifest by itself."""

    file: str
    format: str = "csv"
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Which columns a field is read from; a `*` stands for any letters."""
    where: Condition | None = None
    preset: Preset | None = None
    per: str = "product"
    is_alone: bool = False
    """Whether it is the manifest: then nothing else can give what it lacks."""
    places: Mapping[str, Place] = field(default_factory=dict)

    def mapping(self, name: str, titles: Sequence[str]) -> str:
        """How the user says that a field is read from some columns."""
        if self.is_alone:
            return " ".join(f"--col {name}={title!r}" for title in titles)
        listed = ", ".join(map(repr, titles))
        return f"columns: {{{name}: {listed if len(titles) == 1 else f'[{listed}]'}}}"

    def by_preset(self, preset: Preset) -> str:
        """How the user says that it is an export of a shop."""
        return f"--preset {preset.name}" if self.is_alone else f"preset: {preset.name}"

    def place(self, *keys: str) -> Place:
        """Where a key of it stands."""
        return next((self.places[key] for key in keys if key in self.places), Place())


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the rest of the manifest gives to every row."""

    fields: frozenset[str] = frozenset()
    """Fields that need no column."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What the defaults say: a template may ask for the very column that would replace it."""
    names: frozenset[str] = frozenset()
    """Columns that its templates ask for, and `row` where only a row can tell which."""
    by_matrix: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By field, the names that the matrix's values ask for."""
    axes: frozenset[str] = frozenset()
    """Names that are the matrix's, and no column's."""
    model: str = ""
    """The model of a row that does not name one."""
    overridden: frozenset[str] = frozenset()
    """Fields that some jobs may be given by overrides."""
    rest: Mapping[str, Any] | None = None
    """What each row has beside its own, where that is all: no matrix, no overrides, no paths for the outputs."""
