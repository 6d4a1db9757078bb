"""Which column of a Parquet file means what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.datasets.names import nfc
from core.errors import UserError
from core.items import FIELDS, Coded, Part, first_seen

PICTURES = ("image", "img", "picture", "photo", "bytes", "jpg", "png", "webp")
LABELS = ("label", "labels", "class", "fine_label", "target")
LABEL_NAMES = ("name", "label_name", "class_name", "label_text", "category_name")
IDS = ("id", "image_id")
ROWS = 4096


@dataclass(frozen=True)
class Columns:
    """``picture`` holds bytes; ``roles`` are field -> column; ``names`` number -> label."""

    parquet: Any
    picture: str
    roles: dict[str, str]
    names: list[str] = field(default_factory=list)
    attributes: tuple[str, ...] = ()

    @classmethod
    def of(cls, parquet, shown_name: str) -> Columns:
        """Look at the schema of a ``ParquetFile``. Raises UserError where none holds pictures."""
        schema = parquet.schema_arrow
        features = _features(schema)
        picture = _picture(schema, features, shown_name)
        roles = {name: name for name in ("category", "instance", "split") if name in schema.names}
        if own_ids := [name for name in IDS if name in schema.names]:
            roles["id"] = own_ids[0]
        label, names = _label(schema, features)
        roles |= {"label": label} if label else {}
        # not the number either, where its name is the label
        used = {picture, *roles, *roles.values()}
        told = tuple(f.name for f in schema if f.name not in used and _is_plain(f.type))
        return cls(parquet, picture, roles, names, told)

    def rows(self) -> Iterator[dict]:
        """For each row the fields of an Item, without ever reading the picture column."""
        wanted = list(dict.fromkeys([*self.roles.values(), *self.attributes]))
        if not wanted:
            yield from (
                {**_NOTHING, "attributes": {}} for _ in range(self.parquet.metadata.num_rows)
            )
            return
        for batch in self.parquet.iter_batches(ROWS, columns=wanted, use_threads=False):
            columns = {name: batch.column(name).to_pylist() for name in wanted}
            for row in range(batch.num_rows):
                told = {
                    role: self._text(role, columns[name][row]) for role, name in self.roles.items()
                }
                attributes = {
                    n: _frozen(columns[n][row])
                    for n in self.attributes
                    if columns[n][row] is not None
                }
                yield {**_NOTHING, **told, "attributes": attributes}

    def part(self, stem: str, split: str | None, path: str, stamp: str) -> Part | None:
        """All rows at once; None where something is not as expected, and rows have to be looked at
        one by one.

        Args:
            stem: what an id begins with that the file does not state.
            split: of rows that state none.
            path, stamp: what stands before the number of a row there.
        """
        wanted = list(dict.fromkeys([*self.roles.values(), *self.attributes]))
        try:
            table = {}
            for name in wanted:  # one after the other: a column of text is large
                column = self.parquet.read(columns=[name]).column(0).combine_chunks()
                column.validate(full=True)
                table[name] = column
            ids = self._ids(table, stem)
            fields = {name: self._coded(table, name, split) for name in FIELDS}
        except (OSError, ValueError, NotImplementedError, KeyError, TypeError):
            return None
        if ids is None:
            return None
        told = {nfc(name): table[name] for name in self.attributes}
        return Part(ids, path, stamp, fields, told, plain_value)

    def _ids(self, table: dict, stem: str) -> Any:
        """Text; None where ids are neither words nor whole numbers."""
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import types

        text = pa.large_string()
        own = table.get(self.roles.get("id", ""))
        if own is not None and types.is_integer(own.type):
            own = own.cast(pa.string())
        if own is not None and not _is_text(own.type):
            return None
        if own is None or own.null_count:
            numbers = pa.array(np.arange(self.parquet.metadata.num_rows)).cast(text)
            padded = pc.utf8_lpad(numbers, 6, "0")
            ends = pa.scalar(f"{nfc(stem)}/", text), padded, pa.scalar("", text)
            made = pc.binary_join_element_wise(*ends)
            own = made if own is None else pc.coalesce(own.cast(text), made)
        own = own.cast(text)
        odd = pc.invert(pc.string_is_ascii(own))
        if not pc.any(odd).as_py():
            return own
        composed = pa.array([nfc(one) for one in own.filter(odd).to_pylist()], text)
        return pc.replace_with_mask(own, odd, composed)

    def _coded(self, table: dict, role: str, split: str | None) -> Coded:
        """One field of all rows."""
        rows, other = self.parquet.metadata.num_rows, split if role == "split" else None
        if role not in self.roles:
            return first_seen(np.zeros(rows, np.int64), [other and nfc(other)])
        encoded = table[self.roles[role]].dictionary_encode()
        values = [self._text(role, value) for value in encoded.dictionary.to_pylist()]
        values.append(None)
        codes = encoded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)
        told = [value if value or role != "split" else other for value in values]
        told = [value if value is None else nfc(value) for value in told]
        return first_seen(codes.astype(np.int64), told)

    def _text(self, role: str, value: object) -> str | None:
        if value is None:
            return None
        if role == "label" and self.names and isinstance(value, int):
            # the hub writes -1 where the label is kept secret
            return self.names[value] if 0 <= value < len(self.names) else None
        return value if isinstance(value, str) else str(value)


_NOTHING = dict.fromkeys(("id", "label", "category", "instance", "split"))


def _features(schema) -> dict[str, dict]:
    """The hub's own description of the columns, where the file carries one."""
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: value for name, value in told.items() if isinstance(value, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _picture(schema, features: dict[str, dict], shown_name: str) -> str:
    able = [f.name for f in schema if _holds_bytes(f.type)]
    told = [name for name in able if features.get(name, {}).get("_type") == "Image"]
    known = [name for name in PICTURES if name in able]
    for names in (told, known, able if len(able) == 1 else []):
        if names:
            return names[0]
    raise UserError(
        f"{shown_name!r} has no column of pictures; its columns:"
        f" {', '.join(schema.names) or 'none'}.",
        f"A column of picture files (bytes, or a struct with bytes) named {', '.join(PICTURES)}.",
        "If it holds vectors, import them as own vectors of a dataset.",
    )


def _holds_bytes(kind) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(
            kind.field(i).name == "bytes" and _holds_bytes(kind.field(i).type)
            for i in range(kind.num_fields)
        )
    return types.is_binary(kind) or types.is_large_binary(kind)


def _label(schema, features: dict[str, dict]) -> tuple[str | None, list[str]]:
    """The label's column and its numbers' names. Bare numbers lose to a column of names."""
    from pyarrow import types

    told = [
        name
        for name, feature in features.items()
        if feature.get("_type") == "ClassLabel" and name in schema.names
    ]
    column = next(
        (
            name
            for name in (*LABELS, *told)
            if name in schema.names and _is_word(schema.field(name).type)
        ),
        None,
    )
    names = features.get(column, {}).get("names") if column else None
    if isinstance(names, list) and names:
        return column, [str(name) for name in names]
    if column is None or types.is_integer(schema.field(column).type):
        named = [n for n in LABEL_NAMES if n in schema.names and _is_text(schema.field(n).type)]
        return (named[0] if named and column else column), []
    return column, []


def _is_text(kind) -> bool:
    from pyarrow import types

    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or (types.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _is_word(kind) -> bool:
    from pyarrow import types

    return _is_text(kind) or types.is_integer(kind) or types.is_boolean(kind)


def _is_plain(kind) -> bool:
    """Words, numbers and lists of words: what can be an attribute. Vectors and bytes can't."""
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        return _is_text(kind.value_type)
    return _is_word(kind) or types.is_floating(kind)


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def plain_value(value: object) -> object:
    """An attribute's value as items have it: lists are tuples, words in the usual Unicode form."""
    if isinstance(value, list):
        return tuple(map(plain_value, value))
    return nfc(value) if isinstance(value, str) else value
