"""Writes the TOML of a configuration from plain Python values; only what Usher's files need."""

import json


def dump(config):
    """{"tls": {…}, "listener": [{…}]} as text. None leaves a key out."""
    lines = []
    _table(lines, "", config)
    return "\n".join(lines) + "\n"


def _table(lines, path, table):
    for key, value in table.items():
        if value is not None and not _is_table(value) and not _is_tables(value):
            lines.append(f"{key} = {_value(value)}")
    for key, value in table.items():
        name = f"{path}.{key}" if path else key
        if _is_table(value):
            lines.append(f"[{name}]")
            _table(lines, name, value)
        elif _is_tables(value):
            for entry in value:
                lines.append(f"[[{name}]]")
                _table(lines, name, entry)


def _is_table(value):
    return isinstance(value, dict)


def _is_tables(value):
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(own)}" for key, own in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(str(value))  # a JSON string is a TOML basic string
