"""Every diagnostic as a person sees it, in `tests/golden/messages.txt`: the thing, the place, the remedy.

After a change that is meant:  UPDATE_GOLDEN=1 pytest tests/unit/test_messages.py  and read what has changed.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from runner.batch.loading import load
from runner.batch.options import Options
from runner.manifest import InvalidManifest, render

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "messages.txt"
URL = "https://cdn.example.com/mug.jpg"
ROW = f"mug,white,{URL}"
TABLE = "id,prompt,image_urls\n"
SOURCE = "sources: [{file: c.csv}]"
CARD = {
    "schema": "runcomfy-batch.card/1",
    "model_id": "owner/other",
    "pulled_at": "2026-01-01T00:00:00Z",
}
FIELDS = {
    "image": {
        "type": "string",
        "format": "image_uri",
        "validations": [
            {"validation_rule": "file_size_mb<", "validation_value": 1},
            {"validation_rule": "width_pixels>", "validation_value": 64},
            {"validation_rule": "height_pixels<", "validation_value": 32},
            {"validation_rule": "width/height>", "validation_value": 2, "validation_error": "It must be a banner."},
        ],
    },
    "style": {"enum": ["oil", "ink"]},
    "title": {"type": "string", "minLength": 3, "maxLength": 5},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
    "scale": {"type": "number", "exclusiveMinimum": 1, "maximum": 4},
    "steps": {"type": "integer", "multipleOf": 8},
    "code": {"type": "string", "pattern": "^x"},
    "fast": {"type": "boolean"},
}


def photo(size=(40, 40), form="PNG"):
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, form)
    return out.getvalue()


def jobs(*entries, head=""):
    """A manifest of these entries."""
    return f"version: 1\n{head}jobs:\n" + "".join(f"- {entry}\n" for entry in entries)


def job(**more):
    """An entry that can be sent, but for what is given; `None` leaves a field out."""
    fields = {"id": "mug", "prompt": "white", "image_urls": f"[{URL}]"} | more
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items() if value is not None) + "}"


def sheet(*rows, header=TABLE, text="version: 1\nsources: [{file: c.csv}]\n"):
    """A manifest with a sheet beside it."""
    return {"m.yaml": text, "c.csv": header + "".join(f"{row}\n" for row in rows)}


def line(**more):
    return json.dumps({"id": "mug", "prompt": "white", "image_urls": [URL], **more}) + "\n"


def other(**fields):
    """A job for another model, whose card lies beside the manifest."""
    card = {"input_schema": {"type": "object", "additionalProperties": False, "properties": FIELDS}}
    text = jobs(
        "{id: mug, " + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}", head="model: owner/other\n"
    )
    return {
        "m.yaml": text,
        "owner--other.model.json": json.dumps(CARD | card),
        "small.png": photo() + bytes(2 << 20),
    }


def filled(prompt):
    """A job from a sheet whose prompt is this template."""
    text = f"version: 1\n{SOURCE}\ndefaults:\n  prompt: {prompt}\n"
    return {"m.yaml": text, "c.csv": f"SKU,Title,Colour,image_urls\n00123,Oak Mug,,{URL}\n"}


def comparing(text):
    """A sheet whose template compares a column with a text."""
    prompt = f'"White.{{% if material == {text} %}} Show the grain.{{% endif %}}"'
    head = f"version: 1\ndefaults:\n  prompt: {prompt}\nsources: [{{file: c.csv}}]\n"
    return sheet(f"mug,wood,{URL}", header="id,material,image_urls\n", text=head)


def chosen(where):
    """A sheet of whose rows some are wanted."""
    text = f"version: 1\nsources:\n  - file: c.csv\n    where: {where}\ndefaults: {{prompt: white}}\n"
    return {"m.yaml": text, "c.csv": f"SKU,Stock,Status,image_urls\n00123,5,n/a,{URL}\n00124,,no,{URL}\n"}


def priced(price, where):
    """A sheet with a price, and a condition on that."""
    text = f'version: 1\nsources:\n  - file: c.csv\n    where: "{where}"\n'
    return sheet(f'mug,white,{URL},"{price}"', header="id,prompt,image_urls,price\n", text=text)


def shop(*rows, per="product", model=""):
    """A Shopify export."""
    text = f"version: 1\n{model}sources: [{{file: c.csv, preset: shopify, per: {per}}}]\n"
    files = sheet(*rows, header="Handle,Title,prompt,Image Src,Image Position\n", text=text)
    return files | {name: other(style="ink")[name] for name in ("owner--other.model.json",) if model}


def export(*rows, more):
    """One with a column of the user's own, and what the source says beside."""
    text = f"version: 1\ndefaults: {{prompt: white}}\nsources:\n- file: c.csv\n  preset: shopify\n  {more}\n"
    return sheet(*rows, header="Handle,Title,Option1 Value,Image Count,Image Src\n", text=text)


def unshown(prompt, more=""):
    """Pictures and variants side by side, of which the sheet does not say which shows which."""
    text = (
        f"version: 1\ndefaults: {{prompt: {prompt}}}\nsources: [{{file: c.csv, preset: shopify, per: image{more}}}]\n"
    )
    rows = (f"mug,Mug,Blue,3,{URL},1", f"mug,,Red,0,{URL}?2,2")
    return sheet(*rows, header="Handle,Title,Option1 Value,Variant Inventory Qty,Image Src,Image Position\n", text=text)


def path(template):
    return jobs(job(), job(id="lamp"), head=f"output: {{path: '{template}'}}\n")


def matrix(value, prompt='"{{ scene }}"'):
    return sheet(
        f"mug,{URL},5",
        header="id,image_urls,stock\n",
        text=f"version: 1\n{SOURCE}\ndefaults: {{prompt: {prompt}}}\nmatrix: {value}\n",
    )


CASES = {
    # what a YAML file is
    "no mapping": "just words\n",
    "no jobs": "version: 1\n",
    "an empty list of jobs": "version: 1\njobs: []\n",
    "jobs that are no list": "version: 1\njobs: {a: 1}\n",
    "a job that is no mapping": jobs(job(), "lamp"),
    "two lists of jobs": jobs(job()) + f"jobs:\n- {job(id='lamp')}\n",
    "jobs that are merged in": f"version: 1\n<<: {{jobs: [{job()}]}}\n",
    "an unknown key": "defualts: {}\n" + jobs(job()),
    "the rest of a prompt as a key of one's own": jobs(f"{{id: a, prompt: White, x-ray look, image_urls: [{URL}]}}"),
    "the rest of a prompt as one word": jobs(f"{{id: a, prompt: White, x-ray, image_urls: [{URL}]}}"),
    "the rest of a default": jobs(job(), head="defaults: {aspect_ratio: 1:1, x-large shadow: below}\n"),
    "letters saved as question marks": sheet(f"mug,??????? on white,{URL}"),
    "a question mark in a word": sheet(f"mug,Wei?er Hintergrund,{URL}"),
    "a prompt without a letter": sheet(f"mug,-,{URL}"),
    "no version": f"jobs:\n- {job()}\n",
    "another version": f"version: 2\njobs:\n- {job()}\n",
    "a name that is none": jobs(job(), head="name: My Mugs\n"),
    "a model that is none": jobs(job(), head="model: ../x\n"),
    "a product's model in a sheet": sheet(f"mug,XR-200,white,{URL}", header="id,model,prompt,image_urls\n"),
    "a model in capitals": jobs(job(model="google/nano-banana/Edit")),
    "an override with brackets": jobs(job(), head="overrides: [{match: 'mug[1]', set: {num_images: 2}}]\n"),
    "two photos of one name": {
        "m.yaml": "version: 1\nsources: [{folder: .}]\ndefaults: {prompt: white}\n",
        "a.jpg": photo(form="JPEG"),
        "a.png": photo(),
    },
    "two folders with photos of one name": {
        "m.yaml": "version: 1\nsources: [{folder: a}, {folder: b}]\ndefaults: {prompt: white}\n",
        "a/mug.png": photo(),
        "b/mug.png": photo(),
    },
    "two tables with a row of one id": sheet(ROW, text="version: 1\nsources: [{file: c.csv}, {file: d.csv}]\n")
    | {"d.csv": f"{TABLE}{ROW}\n"},
    "a table that is named twice": sheet(ROW, text="version: 1\nsources: [{file: c.csv}, {file: c.csv}]\n"),
    "a folder that is named twice": {
        "m.yaml": "version: 1\nsources: [{folder: a}, {folder: a/}]\ndefaults: {prompt: white}\n",
        "a/mug.png": photo(),
    },
    "a matrix whose jobs have one id": sheet(
        f"mug,{URL}",
        header="sku,image_urls\n",
        text=f"version: 1\n{SOURCE}\ndefaults: {{id: 'x-{{{{ sku }}}}', prompt: white}}\nmatrix: {{scene: [a, b]}}\n",
    ),
    "a column that one of two sources lacks": sheet(
        f"mug,Mug,{URL}",
        header="id,title,image_urls\n",
        text="version: 1\nsources: [{file: c.csv}, {file: d.csv}]\ndefaults: {prompt: 'White {{ title }}'}\n",
    )
    | {"d.csv": f"id,image_urls\nlamp,{URL}\n"},
    "a card with a word that judges nothing": {
        "m.yaml": jobs("{id: mug, style: ink}", head="model: owner/other\n"),
        "owner--other.model.json": json.dumps(
            CARD | {"input_schema": {"properties": {"style": {"type": "string", "required": True}}}}
        ),
    },
    "a card under another name": {"m.yaml": jobs(job()), "copy.model.json": json.dumps(CARD)},
    "a job's model that is none": jobs(job(model="a b")),
    "an id as a default": jobs(job(), head="defaults: {id: mug}\n"),
    "defaults that are no mapping": jobs(job(), head="defaults: [1]\n"),
    "output of another kind": jobs(job(), head="output: {on_conflict: owerwrite}\n"),
    "a setting that is none": jobs(job(), head="run: {concurency: 8}\n"),
    "a setting's value": jobs(job(), head="run: {concurrency: 0, until: noon}\n"),
    "a duplicate key": jobs(job() + "", head="name: a\nname: b\n"),
    "a duplicate key in a job": jobs("id: mug\n  id: pot\n  prompt: white\n  image_urls: " + URL),
    "a key that is no word": jobs("{id: mug, [a]: 1}"),
    "a template that YAML takes for a mapping": jobs("id: mug\n  prompt: {{ title }} on oak\n  image_urls: " + URL),
    "a merge of what is no mapping": jobs("{<<: 5, id: mug}"),
    "a tag": jobs(job(prompt="!!python/object:os.system x")),
    "a tower of brackets": jobs(job(prompt="[" * 60 + "]" * 60)),
    "a bomb": "version: 1\nx-0: &a0 [a, a]\n"
    + "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1} '] * 9)}]\n" for n in range(1, 9))
    + jobs(job(prompt="*a8 "))[11:],
    "a comment behind a prompt": jobs("id: mug\n  prompt: Use grey  # ask Ana\n  image_urls: " + URL),
    "a colour in a prompt": jobs("id: mug\n  prompt: Use #f5f5f5 behind it\n  image_urls: " + URL),
    "a colour at the beginning": jobs("id: mug\n  prompt: #f5f5f5 behind it\n  image_urls: " + URL),
    "a colour within a prompt": jobs("id: mug\n  prompt: Use #f5f5f5\n    behind it\n  image_urls: " + URL),
    "an ampersand at the beginning": jobs("id: mug\n  prompt: &Sons must stay\n  image_urls: " + URL),
    "a key that became text": jobs(f"id: mug\n  prompt: On white\n    aspect_ratio:1:1\n  image_urls: {URL}"),
    "a key that became text of a default": "version: 1\ndefaults:\n  prompt: On white\n    output_format=png\n"
    + jobs(job(prompt=None))[11:],
    "a key in a block of text": jobs(f"id: mug\n  prompt: |\n    On white\n    num_images: 2\n  image_urls: {URL}"),
    "a key that became text of one's own": jobs(
        f"id: mug\n  x-note: ask Ana\n    num_images:2\n  prompt: white\n  image_urls: {URL}"
    ),
    "a comment in a block of text": jobs(f"id: mug\n  prompt: |\n    White\n    # ask Ana\n  image_urls: {URL}"),
    "another encoding": jobs(job(prompt="é")).encode("cp1252"),
    "a character that nobody sees": jobs(job(prompt='"a\u2028b"')),
    "a character that is none": jobs(job(prompt='"a\uffffb"')),
    "a giant": None,
    # what is no YAML
    "a colon in a prompt": jobs("id: mug\n  prompt: Keep: the mug"),
    "a word in quotes": jobs('id: mug\n  prompt: "White" background'),
    "quotes within those of a template": jobs('id: mug\n  prompt: "{{ row["Name"] }} on white"'),
    "quotes of both kinds in a template": jobs('{id: mug, prompt: "{{ row["it\'s"] }} on white"}'),
    "a block on its own line": jobs("id: mug\n  prompt: | White\n    background"),
    "a dash": jobs("id: mug\n  prompt: - White"),
    "an asterisk": jobs("id: mug\n  prompt: *White* background"),
    "a statement of a template": jobs("id: mug\n  prompt: {% if title %}White{% endif %}, plain: background"),
    "an at sign": jobs("id: mug\n  prompt: @home"),
    "a tab": "version: 1\n\tname: a\n",
    "an alias of nothing": "version: 1\nx-a: *nobody\n",
    "a bracket that is open": "version: 1\njobs: [\n",
    "a quote that is open": 'version: 1\nname: "a\n',
    "an escape that is none": 'version: 1\nname: "C:\\mugs"\n',
    "an indent that is none": "version: 1\njobs:\n  - id: a\n prompt: b\n",
    "a line without a key": "version: 1\njobs\nname: a\n",
    "two documents": "version: 1\n---\nversion: 1\n",
    "another YAML": "%YAML 9.9\n---\nversion: 1\n",
    "half a character": 'version: 1\nname: "\\ud800"\n',
    # what a model takes
    "a field that is missing": jobs(job(prompt=None)),
    "a field that is unknown": jobs(job(promt="x")),
    "another field that is unknown": jobs(job(seed=5)),
    "an aspect ratio": jobs(job(aspect_ratio="16x9")),
    "an output format": jobs(job(output_format="gif")),
    "a number of images": jobs(job(num_images=9)),
    "a number of images in quotes": jobs(job(num_images="'2'")),
    "a prompt that is empty": jobs(job(prompt="''")),
    "a prompt that is blank": jobs(job(prompt="'  '")),
    "a prompt that is too long": jobs(job(prompt="x" * 1001)),
    "a prompt that is a number": jobs(job(prompt=5)),
    "a prompt that is nothing": jobs(job(prompt="~")),
    "too many pictures": jobs(job(image_urls=f"[{', '.join([URL] * 11)}]")),
    "no pictures": jobs(job(image_urls="[]")),
    "another model's choices": other(style="olj"),
    "another model's text": other(title="ab"),
    "another model's longer text": other(title="abcdef"),
    "another model's empty text": other(title="''"),
    "another model's list": other(tags="[a, b, c]"),
    "another model's type": other(tags="[a, 5]", fast="'yes'"),
    "another model's range": other(scale=1, steps=7),
    "another model's pattern": other(code="y"),
    "another model's file": other(image="small.png"),
    # URLs
    "an http URL": jobs(job(image_urls="[http://cdn.example.com/a.jpg]")),
    "an ftp URL": jobs(job(image_urls="[ftp://cdn.example.com/a.jpg]")),
    "white space in a URL": jobs(job(image_urls="['https://cdn.example.com/a b.jpg']")),
    "a private host": jobs(job(image_urls="[https://nas.local/a.jpg]")),
    "an empty URL": jobs(job(image_urls="['']")),
    "a URL with what cannot be seen": jobs(job(image_urls='["https://cdn.example.com/\\u200b.jpg"]')),
    "a URL without a host": jobs(job(image_urls="[https:///a.jpg]")),
    "a URL that is none": jobs(job(image_urls="[https://a.example:99999/x]")),
    "a data: URI of text": jobs(job(image_urls="['data:text/html,hi']")),
    # photos of this machine
    "a photo that is not there": jobs(job(image_urls="[photos/mug.jpg]")),
    "a path that takes photos of other rows": {
        "m.yaml": f"version: 1\n{SOURCE}\ndefaults: {{prompt: white, image_urls: '{{{{ sku }}}}*.png'}}\n",
        "c.csv": "sku\n1\n12\n",
        "1.png": photo(),
        "12.png": photo((41, 41)),
    },
    "a path with a sign of a cell": {
        "m.yaml": f"version: 1\n{SOURCE}\ndefaults: {{prompt: white, image_urls: '{{{{ sku }}}}*.png'}}\n",
        "c.csv": "sku\na[1]\n",
        "a1.png": photo(),
    },
    "photos that are not there": jobs(job(image_urls="['photos/*.jpg']")),
    "a photo as a browser shows it": jobs(job(image_urls="['file:///home/ana/a%20mug.jpg']")),
    "a photo of Windows": jobs(job(image_urls="['C:\\photos\\mug.jpg']")),
    "a photo with the separators of Windows": jobs(job(image_urls="['photos\\mug.jpg']")),
    "a photo elsewhere": jobs(job(image_urls="[../mug.jpg]")),
    "a photo that is a folder": {"m.yaml": jobs(job(image_urls="[photos]")), "photos/mug.png": photo()},
    "a photo that is none": {"m.yaml": jobs(job(image_urls="[mug.png]")), "mug.png": b"\x89PNG\r\n\x1a\nand no more"},
    "a photo of another kind": {"m.yaml": jobs(job(image_urls="[mug.gif]")), "mug.gif": photo(form="GIF")},
    "a photo that is too large": {"m.yaml": jobs(job(image_urls="[mug.png]")), "mug.png": photo() + bytes(7 << 20)},
    "a request that is too large": {
        "m.yaml": jobs(job(image_urls=f"[{', '.join(f'{n}.png' for n in range(9))}]")),
        **{f"{n}.png": photo() + bytes([n]) * (6_200_000) for n in range(9)},
    },
    # ids, and what only the whole shows
    "an id that is a list": jobs(job(id="[a]")),
    "an id that is too long": jobs(job(id="m" * 121)),
    "an id that is blank": jobs(job(id="''")),
    "an id that a spreadsheet has shortened": sheet(f"1.23E+12,white,{URL}"),
    "a duplicate id": jobs(job(), job(prompt="other")),
    "a duplicate id in a sheet": sheet(ROW, "lamp,white," + URL + "?2", "MUG,black," + URL),
    "two jobs with one path": path("all.{{ ext }}"),
    "two files with one path": jobs(job(num_images=2), head="output: {path: '{{ id }}.{{ ext }}'}\n"),
    "a path without its ending": path("{{ id }}.png"),
    "a path that leads elsewhere": path("../{{ id }}.{{ ext }}"),
    "a path with a name that is none": path("{{ idd }}.{{ ext }}"),
    "a path that is no template": path("{{ id }.{{ ext }}"),
    # templates
    "a name in a template that is none": filled('"White, for {{ titel }}."'),
    "a column that is none": filled("\"White, for {{ row['Titel'] }}.\""),
    "a cell that is empty": filled('"White, for a {{ colour }} mug."'),
    "a spreadsheet's error in a template": {
        "m.yaml": f"version: 1\n{SOURCE}\ndefaults: {{prompt: 'White, for {{{{ title }}}}.'}}\n",
        "c.csv": f"SKU,Title,image_urls\n00123,#REF!,{URL}\n",
    },
    "a name of two columns": {
        "m.yaml": f"version: 1\n{SOURCE}\ndefaults: {{prompt: 'White, for {{{{ product_title }}}}.'}}\n",
        "c.csv": f"SKU,Product title,product_title,image_urls\n00123,Mug,Oak mug,{URL}\n",
    },
    "a filter that is none": filled('"{{ title | lowre }}"'),
    "a test that is none": filled('"{{ 1 if title is big }}"'),
    "braces that do not match": filled('"White, for {{ title }."'),
    "an if without its end": filled('"White{% if colour %}, {{ colour }}."'),
    "a loop in a loop": filled("\"{% for a in 'x'.split() %}{% for b in 'y'.split() %}{% endfor %}{% endfor %}\""),
    "a block that is not allowed": filled('"{% include title %}"'),
    "a function that is not allowed": filled('"{{ title.format(sku) }}"'),
    "an attribute that is not allowed": filled('"{{ title.__class__ }}"'),
    "a list as text": filled('"{{ title.split() }}"'),
    "a truth as text": filled("\"{{ title == 'x' }}\""),
    "a sum with a text": filled('"{{ sku + 1 }}"'),
    "a number that is none": filled('"{{ title | int }}"'),
    "a part that is not there": filled('"{{ title.split()[9] }}"'),
    "what cannot be worked out": filled('"{{ 1 / 0 }}"'),
    "a text that is too long": filled(
        "\"{{ title | replace('', 'a text of some letters. ' ~ 'and more. ' ~ title) }} " + "x" * 3900 + '"'
    ),
    "work without end": filled('"{% set a = title %}' + "{% set a = a ~ a %}" * 30 + '{{ a | length }}"'),
    "a template where none is filled in": jobs(job(aspect_ratio="'{{ ratio }}'")),
    # conditions
    "a condition on a name that is none": chosen("stok > 0"),
    "a condition on no number": chosen("status > 0"),
    "a condition on an empty cell": chosen("stock > 0"),
    "a condition that says no or filled": chosen("\"sku == '00124' and status\""),
    "a condition with one sign": chosen("stock = 5"),
    "a condition in braces": chosen('"{{ stock > 0 }}"'),
    "a condition on nothing": chosen('"true"'),
    "a condition on what could be two numbers": {
        "m.yaml": chosen("price > 1000")["m.yaml"],
        "c.csv": f"SKU,Price,image_urls\n00123,1.299,{URL}\n",
    },
    "a condition that is empty": chosen('" "'),
    # sources
    "a source of neither kind": sheet(ROW, text="version: 1\nsources: [{format: csv}]\n"),
    "a source that is missing": sheet(ROW, text="version: 1\nsources: [{file: d.csv}]\n"),
    "a source of an unknown kind": sheet(ROW, text="version: 1\nsources: [{file: c.doc}]\n"),
    "a text without tabs as a source": {"m.yaml": "version: 1\nsources: [{file: c.txt}]\n", "c.txt": TABLE},
    "a glob for a file": sheet(ROW, text="version: 1\nsources: [{file: c.csv, glob: '*.jpg'}]\n"),
    "a sheet for a folder": sheet(ROW, text="version: 1\nsources: [{folder: ., sheet: a}]\n"),
    "per without a preset": sheet(ROW, text="version: 1\nsources: [{file: c.csv, per: image}]\n"),
    "a preset that is unknown": sheet(ROW, text="version: 1\nsources: [{file: c.csv, preset: shopfy}]\n"),
    "a folder that is missing": "version: 1\nsources: [{folder: photos}]\n",
    "photos that are left": {
        "m.yaml": "version: 1\nsources: [{folder: photos}]\ndefaults: {prompt: white}\n",
        "photos/mug.png": photo(),
        "photos/lamp.gif": photo(form="GIF"),
    },
    "photos in sub-folders": {
        "m.yaml": 'version: 1\nsources: [{folder: photos, glob: "*.png"}]\ndefaults: {prompt: white}\n',
        "photos/mug.png": photo(),
        "photos/back/mug.png": photo(),
    },
    "photos in sub-folders alone": {
        "m.yaml": "version: 1\nsources: [{folder: photos}]\ndefaults: {prompt: white}\n",
        "photos/back/mug.png": photo(),
    },
    "braces in a glob": {
        "m.yaml": 'version: 1\nsources: [{folder: photos, glob: "*.{jpg,png}"}]\n',
        "photos/mug.png": photo(),
    },
    "a number with zeros before it": jobs(job(num_images="002")),
    "a folder without photos": {"m.yaml": "version: 1\nsources: [{folder: photos}]\n", "photos/notes.txt": "none"},
    "a field that no model has": sheet(ROW, text="version: 1\nsources: [{file: c.csv, columns: {pormpt: prompt}}]\n"),
    "a column that is not there": sheet(ROW, text="version: 1\nsources: [{file: c.csv, columns: {id: SKU}}]\n"),
    "several columns for one field": sheet(
        ROW, text="version: 1\nsources: [{file: c.csv, columns: {id: [id, prompt]}}]\n"
    ),
    "a sheet without prompts": sheet(f"mug,white,{URL}", header="id,Prompt text 2,image_urls\n"),
    "a preset's column that is missing": sheet(ROW, text="version: 1\nsources: [{file: c.csv, preset: shopify}]\n"),
    "an encoding that is unknown": sheet(ROW, text="version: 1\nsources: [{file: c.csv, encoding: klingon}]\n"),
    # tables
    "an empty table": {"m.csv": "\n"},
    "a row with too many cells": {"m.csv": TABLE + f"mug,white, and plain,{URL}\n"},
    "a row with too few cells": {"m.csv": TABLE + "mug,white\n"},
    "a quote that is not closed": {"m.csv": TABLE + f'mug,"white,{URL}\n'},
    "two columns of one name": {"m.csv": f"id,prompt,image_urls,Prompt\nmug,white,{URL},black\n"},
    "a column that is not sent": {"m.csv": f"id,prompt,image_urls,aspect ratoi\nmug,white,{URL},1:1\n"},
    "a field's name with a bracket": {"m.csv": f"id,prompt,image_urls,aspect_ratio (optional)\nmug,white,{URL},1:1\n"},
    "a numbered column beside one that is named": sheet(
        f"mug,white,{URL},{URL}?2",
        header="id,prompt,Photo,Photo 2\n",
        text="version: 1\nsources: [{file: c.csv, columns: {image_urls: Photo}}]\n",
    ),
    "a key that is not sent": {
        "m.yaml": "version: 1\nsources: [{file: s.jsonl, columns: {prompt: text}}]\n",
        "s.jsonl": json.dumps({"id": "mug", "text": "white", "image_urls": [URL], "aspect": "4:5"}) + "\n",
    },
    "lines that nothing names": {"m.jsonl": json.dumps({"prompt": "white", "image_urls": [URL]}) + "\n"},
    "a key that does not name each line": {
        "m.jsonl": "".join(
            json.dumps({"prompt": prompt, "image_urls": [URL], "row": {"sku": "a"}}) + "\n"
            for prompt in ("white", "oak")
        )
    },
    "a spreadsheet's error": {"m.csv": TABLE + f"mug,#REF!,{URL}\n"},
    "a spreadsheet's time": {"m.csv": f"id,prompt,image_urls,aspect_ratio\nmug,white,{URL},16:09\n"},
    "a table of which the encoding is open": {"m.csv": f"id,prompt,image_urls\nmug,背景を白に,{URL}\n".encode("cp932")},
    "a table of which the encoding is harmless": {
        "m.csv": f"id,note,prompt,image_urls\nmug,Größe,white,{URL}\n".encode("cp1252")
    },
    "a NUL in a table": {"m.csv": TABLE + f"mug,wh\0ite,{URL}\n"},
    "what is no workbook": {"m.xlsx": b"not a zip"},
    "a sheet that is not there": None,
    "a cell beside a workbook's table": None,
    "a header that is merged": None,
    "rows that are hidden": None,
    "text that is struck through": None,
    "a text that shows another text": None,
    "a prompt that says nothing": {"m.csv": TABLE + f"mug,n/a,{URL}\n"},
    "a cell that says nothing in a template": filled("'{{ title }} in {{ sku }}'")
    | {"c.csv": f"SKU,Title,image_urls\n00123,nan,{URL}\n"},
    "a line break as programs write it": {"m.csv": TABLE + f"mug,White\\nand plain,{URL}\n"},
    "a formula for a prompt": {"m.csv": TABLE + f"mug,=B7&A2,{URL}\n"},
    "a formula in a template": filled("'White, for {{ title }}'") | {"c.csv": f"SKU,Title,image_urls\n1,=B7,{URL}\n"},
    "a row that is commented out": {"m.csv": TABLE + ROW + f"\n#cup,white,{URL}?2\n"},
    "a template within a cell": filled("'White, for {{ title }}'")
    | {"c.csv": f"SKU,Title,image_urls\n1,A {{{{ colour }}}} mug,{URL}\n"},
    "quotes of a text editor": {"m.csv": TABLE + f"mug,\u201cWhite and plain\u201d,{URL}\n"},
    "an apostrophe of a spreadsheet": {"m.csv": TABLE + f"mug,'White and plain,{URL}\n"},
    "a space before a quote": {"m.csv": TABLE + f'mug, "white",{URL}\n'},
    "a quote that ends too early": {"m.csv": TABLE + f'mug,"white" bg,{URL}\n'},
    "a cell of megabytes": {"m.csv": TABLE + f"mug,{'x' * 3_000_000},{URL}\n"},
    "rows in a cell": {"m.csv": TABLE + f'mug,"white bg,{URL}\nlamp,oak bg",{URL}\n'},
    "a workbook of old under another name": {"m.csv": b"\xd0\xcf\x11\xe0" + bytes(600)},
    "UTF-32": {"m.csv": (TABLE + ROW).encode("utf-32")},
    "an encoding that the file contradicts": {
        "m.yaml": "version: 1\nsources: [{file: c.csv, encoding: cp1252}]\n",
        "c.csv": TABLE + f"mug,Größe,{URL}\n",
    },
    "one bad byte": {"m.csv": (TABLE + f"mug,Größe schön für Öl,{URL}\n").encode() + b"lamp,wei\xdf,\n"},
    "a column like a field that the defaults give": sheet(
        f"mug,wash cold,{URL}",
        header="id,instruction,image_urls\n",
        text="version: 1\nsources: [{file: c.csv}]\ndefaults: {prompt: white}\n",
    ),
    "a second column of prompts": {"m.csv": f"id,prompt,instruction,image_urls\nmug,white,wash cold,{URL}\n"},
    "columns of pictures under other names": sheet(
        f"mug,white,{URL},{URL}?2", header="id,prompt,Photo A,Photo B\n", text="version: 1\nsources: [{file: c.csv}]\n"
    ),
    "markup from a shop's pages": sheet(
        f"mug,<b>Mug</b> &amp; cup,{URL}?a=1&amp;b=2",
        header="id,title,image_urls\n",
        text=f"version: 1\n{SOURCE}\ndefaults: {{prompt: 'White, for {{{{ title }}}}.'}}\n",
    ),
    "pictures under another name beside the pictures": {"m.csv": f"id,prompt,image,gallery\nmug,white,{URL},{URL}?2\n"},
    "pictures beside the pictures": {"m.csv": f"id,prompt,image_urls,url_1\nmug,white,{URL},{URL}?2\n"},
    "fields of another model": {"m.csv": f"id,prompt,image_urls,seed,ratio\nmug,white,{URL},7,4:5\n"},
    "a format that is a ratio": {"m.csv": f"id,prompt,image_urls,Format\nmug,white,{URL},4:5\n"},
    "rows that share a SKU": {"m.csv": f"sku,prompt,image_urls\na,white,{URL}\na,black,{URL}\n"},
    "a space within a URL of a cell": {"m.csv": TABLE + "mug,white,https://cdn.example.com/red mug.jpg\n"},
    "two URLs in one": {"m.csv": TABLE + f'mug,white,"{URL},b.jpg"\n'},
    "a bar in a URL": {"m.csv": TABLE + f"mug,white,{URL}|b.jpg\n"},
    "a letter that was lost": {"m.csv": TABLE + f"mug,caf\ufffd,{URL}\n"},
    "a control that nobody sees": {"m.csv": TABLE + f"mug,on \u202eoak,{URL}\n"},
    "words that nobody sees": {"m.csv": TABLE + f"mug,on oak\U000e0062\U000e0061\U000e0064,{URL}\n"},
    "a sign that nobody sees": {"m.csv": TABLE + f"mug,on\u200boak,{URL}\n"},
    "letters that were misread": {"m.csv": TABLE + f"mug,CafÃ© scene,{URL}\n"},
    "letters that a Mac misread": {"m.csv": TABLE + f"mug,Wei√ü,{URL}\n"},
    "Russian that was misread": {"m.csv": TABLE + f"mug,Áåëûé ôîí,{URL}\n"},
    "a formula instead of a prompt": {"m.csv": TABLE + f'mug,"=""On white, ""&B2",{URL}\n'},
    "a brace in a URL": {"m.csv": TABLE + "mug,white,https://cdn.example.com/{sku}.jpg\n"},
    "a # in a file's name": {"m.csv": TABLE + "mug,white,https://cdn.example.com/A#1.jpg\n"},
    "a ? in a file's name": {"m.csv": TABLE + "mug,white,https://cdn.example.com/A?1.jpg\n"},
    "a name before a URL": {"m.csv": TABLE + f"mug,white,a.jpg ({URL})\n"},
    "a URL without https:": {"m.csv": TABLE + "mug,white,//cdn.example.com/a.jpg\n"},
    "a column of pictures": {"m.csv": f"id,prompt,image_urls,scene\nmug,white,{URL},{URL}?2\n"},
    "a comma in a condition": chosen('"stock > 0,5"'),
    "a bare word in a condition": chosen("\"status == 'new' or 'old'\""),
    "a condition that asks for none": chosen('"stock != none"'),
    "a number in a condition that could be two": chosen('"stock > 2.500"'),
    "a list that is a text": chosen("\"status in 'new, old'\""),
    "a list of one text": chosen("\"status in ['new, old']\""),
    "a list of one text that is not to be": chosen("\"status not in ['new, old']\""),
    "a comma that is missing in a condition": chosen("\"status not in ['new' 'old']\""),
    "a quote that is doubled in a condition": chosen("\"status == 'it''s'\""),
    "two axes that set one field": matrix("{scene: [{name: a, num_images: 2}], num_images: [1, 2]}"),
    "a default that asks for what replaces it": jobs(job(), head='defaults: {prompt: "{{ prompt }} please"}\n'),
    "a blank beside an id": {"m.jsonl": line(id=" mug")},
    "pictures under another name": {"m.jsonl": json.dumps({"id": "mug", "prompt": "white", "images": [URL]}) + "\n"},
    "a fraction of pictures": {"m.csv": f"id,prompt,image_urls,num_images\nmug,white,{URL},2.5\n"},
    "a column that is nearly a field": {"m.csv": f"id,prompt,image_urls,numimages\nmug,white,{URL},2\n"},
    "a placeholder of another kind": {"m.csv": f"id,title,prompt,image_urls\nmug,Mug,A {{title}},{URL}\n"},
    "a long number in a template": {"m.csv": f"id,ean,prompt,image_urls\nmug,4.00638E+12,For {{{{ ean }}}},{URL}\n"},
    "a condition that is not quoted": "version: 1\nsources: [{file: c.csv, where: status in ['new', 'sale']}]\n",
    "a prompt with brackets that is not quoted": jobs("{id: a, prompt: White [mug], seed: 1}"),
    "signs the other way round in a condition": chosen("stock => 2"),
    "quotes of a text editor in a condition": chosen("status == “new”"),
    "quotes of a text editor in a template": filled('"{{ title | default(“Mug”) }}"'),
    "a word without quotes in a condition": chosen("status == new"),
    "words without quotes in a condition": chosen('"status in [new, sale]"'),
    "rows that a condition leaves out": chosen("\"sku == '00123'\""),
    "rows that a condition tells apart by capitals": chosen("\"status not in ['N/A', 'no']\""),
    "a condition that leaves out all": chosen("\"sku == '1'\""),
    "a condition that leaves out none": chosen("\"status != 'sold'\""),
    "a condition that leaves out none by capitals": chosen("\"status != 'No'\""),
    "a condition with a mistyped text": sheet(
        f"mug,wood,white,{URL}",
        header="id,material,prompt,image_urls\n",
        text="version: 1\nsources:\n  - file: c.csv\n    where: material != 'wodo'\n",
    ),
    "a template with a mistyped text": comparing("'wodo'"),
    "a template in which capitals count": comparing("'Wood'"),
    "a template with a text of no row": comparing("'gold'"),
    "a size that a spreadsheet made a date": {
        "m.csv": f"id,size,prompt,image_urls\nmug,10-Dec,A {{{{ size }}}},{URL}\n"
    },
    "a condition without letters that leaves out none": chosen('"sku > 5"'),
    "a condition that an or makes true of all": chosen("\"status != 'sold' or status != 'no'\""),
    "a condition that an and makes true of none": chosen("\"status == 'sold' and status == 'no'\""),
    "prices that are no plain numbers": sheet(
        f'mug,white,{URL},"12,50 €","9,50 €"',
        header="id,prompt,image_urls,price,sale_price\n",
        text="version: 1\nsources: [{file: c.csv, where: sale_price < price}]\n",
    ),
    "a price that could be two": priced("1.299 €", "price < 100"),
    "a price beside a number": priced("1.299,00 €", "price < 100"),
    "a price whose comma became a point too early": priced("1.299,00", "price | replace(',', '.') | float < 100"),
    "a price whose point was there before": priced("1.299", "price | replace(',', '.') | float < 100"),
    "a price that lost the point before its fraction": priced("12.50", "price | replace('.', '') | float < 100"),
    "a price that wants one more filter": priced("1.299 €", "price | replace('.', '') | float < 100"),
    "a price that is made whole": priced("1.299", "price | int < 100"),
    "sizes that are no one number": priced("38-40", "price > '36-38'"),
    "a number of many digits": priced("1234567890123456", "price | int > 5"),
    "numbers that a plus would join": {"m.csv": f"id,w,d,prompt,image_urls\nmug,60,40,{{{{ w + d }}}} cm wide,{URL}\n"},
    "a column for a column of others": sheet(f"mug,white,oak,{URL}", header="id,prompt,prompt 2,image_urls\n"),
    "a prompt in the reader's language": sheet(f"mug,白背景に,{URL}", header="id,プロンプト,image_urls\n"),
    "a title above the header": sheet("Products,,", header="", text="version: 1\nsources: [{file: c.csv}]\n"),
    "an export whose rows are read as products": sheet(
        f"mug,Mug,{URL},1",
        f"mug,,{URL}?2,2",
        header="Handle,Title,Image Src,Image Position\n",
        text=f'version: 1\n{SOURCE}\ndefaults: {{prompt: "{{{{ title }}}} on white."}}\n',
    ),
    "an export without its preset": {"m.csv": f"Title,URL handle,Product image URL,prompt\nMug,mug,{URL},white\n"},
    "a list in a cell": sheet(f"mug,white,\"['{URL}']\""),
    "UTF-8 that is said to be something else": {
        "m.yaml": "version: 1\nsources: [{file: c.csv, encoding: cp932}]\n",
        "c.csv": f"id,prompt,image_urls\nmug,背景を白に,{URL}\n",
    },
    "a column instead of a default of cells": sheet(
        ROW, text="version: 1\nsources: [{file: c.csv}]\ndefaults: {prompt: '{{ title }} please'}\n"
    ),
    "a key instead of a default of cells": {
        "m.yaml": "version: 1\nsources: [{file: c.jsonl, columns: {prompt: text}}]\n"
        "defaults: {prompt: '{{ title }} please'}\n",
        "c.jsonl": json.dumps({"id": "mug", "text": "white", "image_urls": [URL]}) + "\n",
    },
    "a key that the default leaves out": {
        "m.yaml": "version: 1\nsources: [{file: c.jsonl, columns: {image_urls: [front, back]}}]\n"
        "defaults: {prompt: white, image_urls: ['{{ front }}']}\n",
        "c.jsonl": json.dumps({"id": "mug", "front": URL, "back": f"{URL}?2"}) + "\n",
    },
    "a picture that moves up in a list": sheet(
        f"mug,white,{URL},",
        header="id,prompt,front,back\n",
        text="version: 1\nsources: [{file: c.csv}]\n"
        "defaults: {image_urls: ['{% if back %}{{ back }}{% endif %}', '{{ front }}']}\n",
    ),
    "a picture that is sent twice": jobs(job(image_urls=f"[{URL}, {URL}]")),
    "two models for all": jobs(job(), head="model: google/nano-banana/edit\ndefaults: {model: owner/other}\n"),
    "two ids of one line": f"version: 1\njobs: [{job()}, {job()}]\n",
    "a key that no line has": {
        "m.yaml": "version: 1\nsources: [{file: c.jsonl, columns: {prompt: text}}]\n",
        "c.jsonl": line(),
    },
    "a sheet of a table without sheets": sheet(ROW, text="version: 1\nsources: [{file: c.csv, sheet: One}]\n"),
    "a colon of another keyboard": f"version: 1\njobs:\n- id: mug\n  image_urls: [{URL}]\n  prompt：白い背景\n",
    "a comment of templates": jobs(job(prompt='"white {# ask Ana #}"')),
    "rows that a tab joins": {"m.tsv": f'image_urls\tprompt\n{URL}\twhite\n{URL}\t"grey\n{URL}\tpink"\n'},
    "two merge keys": "version: 1\nx-a: &a {prompt: white}\nx-b: &b {id: mug}\n"
    f"jobs:\n- image_urls: [{URL}]\n  <<: *a\n  <<: *b\n",
    "jobs that overrides skip": jobs(job(), head='overrides: [{match: "*", skip: true}]\n'),
    "a matrix over a sheet": sheet(
        ROW, text="version: 1\nsources: [{file: c.csv}]\nmatrix: {scene: [{name: oak, prompt: On oak.}]}\n"
    ),
    "a variant of two with one picture": {
        "m.yaml": "version: 1\ndefaults: {prompt: 'Size {{ option1_value }}.'}\n"
        "sources: [{file: c.csv, preset: shopify, per: image}]\n",
        "c.csv": "Handle,Title,Option1 Value,Image Src,Image Position,Variant Image\n"
        f"mug,Mug,S,{URL},1,{URL}\nmug,,L,,,{URL}\n",
    },
    "a picture that no variant shows": unshown("'{{ option1_value }} on white.'"),
    "a condition on a picture that no variant shows": unshown("white", ", where: variant_inventory_qty > 0"),
    "a prompt that stands for the one above": {"m.csv": f"id,prompt,image_urls\nmug,ditto,{URL}\nlamp,TRUE,{URL}?2\n"},
    "a column in quotes": filled("""A {{ 'title' }} for {{ 'Colour' }}."""),
    "a product whose rows lie apart": export(
        f"mug,Mug,,,{URL}", f"vase,Vase,,,{URL}?2", f"mug,,,,{URL}?3", more="per: image"
    ),
    "a condition that a picture's variant is another": unshown("white", ", where: \"option1_value != 'Red'\""),
    "a text by the variant of a picture that none shows": unshown('\'{{ "a" if option1_value == "Red" else "b" }}\''),
    "a picture of a variant alone": {
        "m.yaml": "version: 1\ndefaults: {prompt: white}\nsources: [{file: c.csv, preset: shopify}]\n",
        "c.csv": "Handle,Title,Image Src,Image Position,Variant Image\n"
        f"mug,Mug,{URL},1,https://cdn.example.com/red.jpg\n",
    },
    "nothing for a field": jobs(job(aspect_ratio="null")),
    "a column that is hidden": None,
    "a sheet beside the one that is read": None,
    "a number that shows another text": None,
    "a number of another text in a template": None,
    # shops
    "a position that is none": shop(f"mug,Mug,white,{URL},first"),
    "a picture that is missing": sheet(f"mug,white,{URL},,{URL}?3", header="id,prompt,image_1,image_2,image_3\n"),
    "a picture that a prompt calls": sheet(f"mug,on the table in image 2,{URL}"),
    "a column of pictures that is missing": sheet(f"mug,white,{URL},{URL}?3", header="id,prompt,image_1,image_3\n"),
    "a picture that is missing, and named": sheet(f"mug,on image 2,{URL} | | {URL}?3"),
    "positions with a hole": shop(f"mug,Mug,white,{URL},1", f"mug,,,{URL}?3,3"),
    "a template that asks for what differs": shop(f"mug,Mug,{{{{ title }}}},{URL},1", f"mug,Cup,,{URL}?2,2"),
    "a condition on what differs": export(
        f"mug,Mug,Red,,{URL}", f"mug,,Blue,,{URL}?2", f"cup,Cup,Red,,{URL}?3", more="where: option1_value == 'Blue'"
    ),
    "a preset's name that is a column's": export(f"mug,Mug,Red,7,{URL}", more="where: image_count > 0"),
    "a variation without a picture": sheet(
        f"vase,variable,Vase,{URL}",
        "vase-b,variation,Vase,",
        header="SKU,Type,Name,Images\n",
        text="version: 1\ndefaults: {prompt: white}\nsources: [{file: c.csv, preset: woocommerce, per: image}]\n",
    ),
    "an export in another language": sheet(
        f"tee,T-Shirt,{URL}",
        header="SKU,Name,Bilder\n",
        text="version: 1\ndefaults: {prompt: white}\nsources: [{file: c.csv, preset: woocommerce}]\n",
    ),
    "a row without a picture": sheet(
        f"tee,{URL}",
        "mug,",
        header="SKU,Bilder\n",
        text="version: 1\ndefaults: {prompt: white}\nsources: [{file: c.csv, columns: {image_urls: Bilder}}]\n",
    ),
    "markup beside a column that is freed of it": sheet(
        f"mug,Mug &amp; Cup,<p>Nice</p>,{URL}",
        header="id,name,description,image_urls\n",
        text='version: 1\ndefaults: {prompt: "{{ name }}: {{ description | striptags }}"}\nsources: [{file: c.csv}]\n',
    ),
    "rows that differ": shop(f"mug,Mug,white,{URL},1", f"mug,,black,{URL}?2,2"),
    "a product without a picture": shop(f"mug,Mug,white,{URL},1", "lamp,Lamp,white,,", per="image"),
    "pictures that are left": shop(f"mug,Mug,,{URL},1", f"mug,,,{URL}?2,2", model="model: owner/other\n"),
    "a prompt that an export lacks": sheet(
        f"mug,{URL}", header="Handle,Image Src\n", text="version: 1\nsources: [{file: c.csv, preset: shopify}]\n"
    ),
    # JSON lines
    "what is no JSON": {"m.jsonl": "{'id': 1}\n"},
    "curly quotes": {"m.jsonl": "{\u201cid\u201d: 1}\n"},
    "a line that is no object": {"m.jsonl": "[1]\n"},
    "a duplicate key in a line": {"m.jsonl": '{"id": "a", "id": "b"}\n'},
    "a field beside the wrapper": {
        "m.jsonl": '{"id": "a", "prompt": "p", "input": {"image_urls": ["' + URL + '"], "prompt": "q"}}\n'
    },
    "a column beside the wrapper": {
        "m.jsonl": json.dumps({"id": "a", "title": "Mug", "input": {"prompt": "p", "image_urls": [URL]}}) + "\n"
    },
    "a column inside the wrapper": {
        "m.jsonl": json.dumps({"id": "a", "input": {"prompt": "p", "image_urls": [URL], "title": "Mug"}}) + "\n"
    },
    "a column in a line": {"m.jsonl": line(title="Mug", stock=3)},
    "a column in a line of a source": {
        "m.yaml": "version: 1\nsources: [{file: c.jsonl}]\n",
        "c.jsonl": line(title="Mug", row={"shelf": "3a"}),
    },
    "a line that says two things": {"m.jsonl": line(custom_id="lamp")},
    "a line for another model": {
        "m.jsonl": json.dumps({"model": "a/b", "url": "/v1/models/a/c", "body": json.loads(line())}) + "\n"
    },
    "a row that is no mapping": {"m.jsonl": line(row="text")},
    # matrix and overrides
    "a matrix without an axis": matrix("{include: [{scene: a}]}"),
    "an axis without values": matrix("{scene: []}"),
    "a value without a name": matrix("{scene: [{prompt: p}]}"),
    "an axis with a name that is taken": matrix("{id: [a, b]}", "p"),
    "an axis that is almost a field": matrix("{aspect_ratoi: [1:1, 4:5]}", "p"),
    "an axis that changes nothing": matrix("{take: [a, b]}", "p"),
    "an axis of an unknown model": jobs(job(), head="model: owner/unknown\nmatrix: {seed: [1, 2]}\n"),
    "two values of one name": matrix("{scene: [a b, A-B]}"),
    "a value that is blank": matrix("{scene: ['?']}"),
    "a value that is no name": matrix(f"{{prompt: [{'white ' * 9}]}}", "p"),
    "a value with an id": matrix("{scene: [{name: a, id: b}]}"),
    "a matrix that is too large": matrix(
        "{" + ", ".join(f"x{n}: [a, b, c, d, e, f]" for n in range(6)) + "}", '"{{ x0 ~ x1 ~ x2 ~ x3 ~ x4 ~ x5 }}"'
    ),
    "an exclude that excludes nothing": matrix("{scene: [white, oak], exclude: [{scene: wite}]}"),
    "an exclude that excludes it twice": matrix("{scene: [white, oak], exclude: [{scene: white}, {scene: white}]}"),
    "an exclude that leaves nothing": matrix("{scene: [white], exclude: [{scene: white}]}"),
    "an exclude of no axis": matrix("{scene: [white, oak], exclude: [{scen: white}]}"),
    "an include of no value": matrix("{scene: [white], include: [{when: stock > 0}]}"),
    "an include of an unknown value": matrix("{scene: [white], include: [{scene: oak}]}"),
    "a when on a name that is none": matrix("{scene: [a], num_images: [1], include: [{scene: a, when: stok > 0}]}"),
    "a when that is true of none": matrix(
        "{scene: [a, b], exclude: [{scene: b}], include: [{scene: b, when: stock > 9}]}"
    ),
    "a when that capitals make true of none": matrix(
        "{scene: [a, b], exclude: [{scene: b}], include: [{scene: b, when: id == 'Mug'}]}"
    ),
    "a when that cannot be read": matrix("{scene: [a], num_images: [1], include: [{scene: a, when: stock >}]}"),
    "a job that outdoes the matrix": jobs(job(aspect_ratio="1:1"), head="matrix: {aspect_ratio: [1:1, 4:5]}\n"),
    "an override without a match": jobs(job(), head="overrides: [{skip: true}]\n"),
    "an override of an id": jobs(job(), head="overrides: [{match: mug, set: {id: a}}]\n"),
    "an override that changes nothing": jobs(job(), head="overrides: [{match: mug}]\n"),
    "an override for nobody": jobs(job(), head="overrides: [{match: lamp, skip: true}]\n"),
    "a matrix instead of a default that asks": sheet(
        ROW,
        text="version: 1\nsources: [{file: c.csv}]\ndefaults: {prompt: '{{ prompt }} Keep it.'}\n"
        "matrix: {scene: [{name: oak, prompt: On oak.}]}\n",
    ),
    "a column that is called like an axis": sheet(
        f"mug,oak,{URL}",
        header="id,Scene,image_urls\n",
        text="version: 1\nsources: [{file: c.csv}]\ndefaults: {prompt: 'On {{ scene }}.'}\n"
        "matrix: {scene: [{name: sq, aspect_ratio: 1:1}]}\n",
    ),
    "an override for a number": jobs(job(id="'2'"), head="overrides: [{match: 2, skip: true}]\n"),
    "an override's field": jobs(job(), head="overrides: [{match: mug, set: {aspect_ratio: 16x9}}]\n"),
}


def workbook(folder, name):
    """The cases that need a workbook."""
    import xlsxwriter

    with xlsxwriter.Workbook(str(folder / "c.xlsx")) as book:
        page = book.add_worksheet("Products")
        loose = ["loose"] if name == "a cell beside a workbook's table" else []
        for number, row in enumerate((["id", "prompt", "image_urls"], ["mug", "white", URL, *loose])):
            page.write_row(number, 0, row)
        if name == "a number that shows another text":
            page.write(1, 0, 7, book.add_format({"num_format": '"SKU-"0'}))
        if name == "a number of another text in a template":
            page.write(1, 1, "white, for {{ price }}")
            page.write(0, 3, "price")
            page.write(1, 3, 7.5, book.add_format({"num_format": '0.00 "EUR"'}))
        if name == "a column that is hidden":
            page.set_column(1, 1, None, None, {"hidden": True})
        if name == "a sheet beside the one that is read":
            book.add_worksheet("More")
        if name == "a header that is merged":
            page.merge_range(0, 0, 0, 1, "id")
        if name == "a text that shows another text":
            page.write(1, 1, "white", book.add_format({"num_format": '@" please"'}))
        if name == "text that is struck through":
            page.write(1, 1, "white", book.add_format({"font_strikeout": True}))
        if name == "rows that are hidden":
            page.set_row(1, options={"hidden": True})
    wanted = ", sheet: Product" if name == "a sheet that is not there" else ""
    (folder / "m.yaml").write_text(f"version: 1\nsources: [{{file: c.xlsx{wanted}}}]\n")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each case comes to: its diagnostics, and how they are shown."""
    found = {}
    for number, (name, files) in enumerate(CASES.items()):
        folder = tmp_path_factory.mktemp(f"case-{number}")
        if name == "a giant":
            with (folder / "m.yaml").open("wb") as file:
                file.truncate((64 << 20) + 1)
        elif files is None:
            workbook(folder, name)
        for path, content in ({"m.yaml": files} if isinstance(files, str | bytes) else files or {}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content if isinstance(content, bytes) else content.encode())
        names = (folder / f"m.{ending}" for ending in ("yaml", "csv", "tsv", "jsonl", "xlsx"))
        first = next(path for path in names if path.exists())
        try:
            diagnostics = load(first, Options()).warnings
        except InvalidManifest as error:
            diagnostics = error.diagnostics
        text = render(diagnostics).replace(f"{folder}/", "")
        found[name] = (diagnostics, "\n".join(line.rstrip() for line in text.splitlines()))
    return found


# --------------------------------------------------------------------------------------------------------------- claims


def test_every_message_reads_as_it_did(told):
    """All of them, side by side, in a file for people."""
    text = "".join(f"== {name}\n{shown}\n\n" for name, (_, shown) in told.items())
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text("utf-8")


def test_every_case_comes_to_what_it_is_called_after(told):
    """None is silently fine, and none is refused for much else."""
    assert {name: len(diagnostics) for name, (diagnostics, _) in told.items() if not 1 <= len(diagnostics) <= 4} == {}


def test_every_message_has_its_place_and_a_remedy(told):
    """The line, and the column or the cell where there is one; what to do about it."""
    for name, (diagnostics, _) in told.items():
        for diagnostic in diagnostics:
            assert diagnostic.place.line >= 1, name
            assert diagnostic.hint, (name, diagnostic.message)
            assert not re.search(r"<[a-z]+ object|Traceback|<class", diagnostic.message), name


READERS = [
    *sorted((ROOT / "runner" / "manifest").glob("*.py")),
    *(ROOT / "runner" / "catalog" / f"{name}.py" for name in ("inputs", "urls", "validations")),
    ROOT / "runner" / "media" / "photos.py",
]
CALLS = {"error", "warn", "note", "_error", "_problem", "_refuse", "InputProblem", "Quantity"}
HANDED_ON = {
    "code": set(),  # a parameter, or a name whose values stand beside it
    "files.code": set(),
    "found.code": set(),
    "problem.code": set(),
    "limit.quantity.code": set(),
    "_code(path)": {"source", "override", "defaults", "matrix", "output", "run"},
}
"""Codes that are no literals, and what they may be beyond the literals that are found elsewhere."""
NAMED = {"aspect-ratio", "output-format", "card-unused"}
"""Made of the field's name, or told by who loads a manifest."""


def codes():
    """The codes that stand in the source, each with a place where it does."""
    found = {}
    for path in READERS:
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            for code in _codes_at(node, path.name):
                found.setdefault(code, f"{path.name}:{node.lineno}")
    return found


def _codes_at(node, file):
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in CALLS:
            given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            argument = given[0] if given else node.args[1 if name == "Quantity" else 0] if node.args else None
            match argument:
                case ast.Constant(value=str(code)):
                    yield code
                case ast.Name(id="JOBS"):
                    yield "jobs"
                case None:
                    pass
                case _:
                    assert ast.unparse(argument) in HANDED_ON, f"{file}:{node.lineno}: {ast.unparse(argument)}"
                    yield from HANDED_ON[ast.unparse(argument)]
        case ast.Assign(targets=[ast.Name(id="code")], value=value):
            yield from (part.value for part in _ends(value) if isinstance(part, ast.Constant))
        case ast.Return(value=ast.expr() as value) if file == "urls.py":
            for part in _ends(value):
                match part:
                    case ast.Tuple(elts=[ast.Constant(value=str(code)), _, _]):
                        yield code


def _ends(value):
    """What an expression may come to, through its conditions."""
    if isinstance(value, ast.IfExp):
        yield from _ends(value.body)
        yield from _ends(value.orelse)
    else:
        yield value


def test_every_code_has_a_message_here(told):
    """Whoever adds one adds a case, and reads how it looks."""
    shown = {diagnostic.code for diagnostics, _ in told.values() for diagnostic in diagnostics}
    missing = {code: where for code, where in codes().items() if code not in shown}
    assert missing == {}
    assert shown >= NAMED
    assert shown <= codes().keys() | NAMED
