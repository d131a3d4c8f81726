"""The columns that a template asks for by their titles, as `row['Product Title']`."""

from __future__ import annotations

from jinja2 import nodes


def titles_of(tree: nodes.Template) -> frozenset[str] | None:
    """All of them; `None` where it asks for what only a row can tell, as `row[title]` and a loop over `row` do."""
    every = sum(node.name == "row" for node in tree.find_all(nodes.Name))
    by_call = {id(call.node): call for call in tree.find_all(nodes.Call)}
    found = []
    for node in tree.find_all((nodes.Getitem, nodes.Getattr)):
        match node:
            case nodes.Getitem(node=nodes.Name(name="row"), arg=nodes.Const(value=str() as title)):
                found.append(title)
            case nodes.Getattr(node=nodes.Name(name="row"), attr="get"):
                match by_call.get(id(node)):
                    case nodes.Call(args=[nodes.Const(value=str() as title), *_]):
                        found.append(title)
                    case _:
                        pass
            case nodes.Getattr(node=nodes.Name(name="row"), attr=title) if not hasattr(dict, title):
                found.append(title)
            case _:
                pass
    return frozenset(found) if len(found) == every else None
