"""helm/sagate/README.md: its table is made of the comments in values.yaml."""

import json

import yaml

from chart import CHART, Wrong

BEGIN, END = "<!-- values -->", "<!-- values end -->"


def comment_above(lines, key):
    """The comment right above a key, as one paragraph; empty where there is none."""
    words = []
    for line in reversed(lines[: key.start_mark.line]):
        if not line.startswith(" " * key.start_mark.column + "#"):
            break
        words.insert(0, line.strip().lstrip("#").strip())
    return " ".join(words)


def rows_of(mapping, lines, above, problems):
    """Rows `(path, default, text)` of a mapping. Where keys of a map are described, each of them is a row, and the map a headline."""
    for key, value in mapping.value:
        name = f"{above}{key.value}"
        text = comment_above(lines, key)
        if not text:
            problems.append(f"helm/sagate/values.yaml line {key.start_mark.line + 1}: {name} has no comment right above it")
        inside = isinstance(value, yaml.MappingNode) and not value.flow_style
        if inside and any(comment_above(lines, child) for child, _ in value.value):
            yield f"**{name}**", "", text
            yield from rows_of(value, lines, f"{name}.", problems)
        else:
            default = json.dumps(yaml.SafeLoader("").construct_document(value), ensure_ascii=False)
            yield f"`{name}`", f"`{default}`", text


def table():
    text = (CHART / "values.yaml").read_text()
    problems = []
    out = ["| value | default | what it is |", "|---|---|---|"]
    for row in rows_of(yaml.compose(text), text.splitlines(), "", problems):
        out.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    if problems:
        raise Wrong("\n".join(problems))
    return "\n".join(out)


def readme_text():
    """README.md as it should be."""
    text = (CHART / "README.md").read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise Wrong(f"helm/sagate/README.md: the lines {BEGIN} and {END} must be there once")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"
