"""Small manifests of every kind, all of them good: what the mutations begin with."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import xlsxwriter
from support import readings, yaml_readings
from support.readings import Expected

URL = "https://cdn.example.com"
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Good:
    """A manifest, the files it is made of, and how they are read by another way than the product's."""

    files: Files
    """The first is the manifest."""
    spoil: tuple[str, ...]
    """The files in which mutations are made."""
    read: Callable[[Files], list[list[Expected]]]
    """Every reading that a person could mean; raises `Wrong` for what is none, `Unjudged` for what is beyond it."""

    @property
    def name(self) -> str:
        """The manifest's file."""
        return next(iter(self.files))


ROWS = (
    "id,prompt,image_urls,aspect_ratio,output_format,num_images,Note\n"
    f'mug,"White, ""soft"" light.\nKeep it: #fff",{URL}/mug.jpg,16:9,,2,a,b\n'
    f"00123,On an oak table,{URL}/lamp.jpg|{URL}/Lamp-2.JPG,,webp,,c d\n"
    f"lamp,背景を白に,{URL}/x.jpg?w=1;2,1:1,jpeg,1,\n"
).replace("a,b\n", '"a,b"\n')
SEMICOLONS = (
    f"sep=;\r\nID;Prompt;Photo;Aspect ratio\r\n1.50;Weiß; {URL}/a.jpg;4:5\r\n".replace("Weiß;", '"Weiß; matt";')
    + f"'0815;Grün, hell;{URL}/b.jpg, {URL}/c.jpg;\r\n"
)
FLAT = [
    {"id": "mug", "prompt": 'White, "soft"\nlight: #fff', "image_urls": [f"{URL}/a.jpg"], "num_images": 2},
    {"id": 7, "prompt": "背景", "image_urls": [f"{URL}/a.jpg", f"{URL}/b.jpg"], "x-n": None, "row": {"Note": "n"}},
    {"custom_id": "c1", "body": {"prompt": "On grass.", "image_urls": [f"{URL}/c.jpg"]}, "method": "POST"},
    {"id": "i1", "input": {"prompt": "Wet\tstones", "image_urls": [f"{URL}/d.jpg"], "aspect_ratio": "16:9"}},
]
BLOCK = f"""\
version: 1
name: mugs
defaults: &d {{aspect_ratio: 1:1}}
x-more: &m {{<<: *d, num_images: 2}}
jobs:
  - id: mug
    prompt: |
      White: soft.
      Keep it
    image_urls: [{URL}/a.jpg]
  - {{<<: *m, id: 00123, prompt: 'On oak, it''s', image_urls: {URL}/b.jpg}}
  - id: lamp
    prompt: >-
      Use it
      for all
    image_urls:
      - {URL}/c.jpg
      - {URL}/c.jpg?2
  - id: no
    prompt: "Tab\\t, quote \\" and #fff"
    aspect_ratio: 16:9 # wide
    image_urls: [{URL}/d.jpg]
"""
FLOW = f"""\
{{version: 1, jobs: [
  {{id: a-1, prompt: White background, image_urls: [{URL}/a.jpg], num_images: 2}},
  {{id: "2026-11-22", prompt: "On: oak", "image_urls": ["{URL}/b.jpg", "{URL}/c.jpg"], output_format: webp}}
]}}
"""
MATRIX = f"""\
version: 1
matrix:
  scene:
    - {{name: white, prompt: "Pure white for {{{{ id }}}}."}}
    - {{name: kitchen, prompt: On a kitchen counter, num_images: 2}}
  aspect_ratio: [1:1, 4:5, 16:9]
  exclude:
    - {{scene: white, aspect_ratio: 4:5}}
jobs:
  - {{id: mug, image_urls: [{URL}/a.jpg]}}
  - {{id: lamp, image_urls: [{URL}/b.jpg], output_format: png}}
"""
HEAD = """\
version: 1
defaults:
  aspect_ratio: 1:1
  prompt: >-
    White background for this {{ title | lower }}.
    {%- if colour %} Keep the {{ colour }} colour.{% endif %} No text.
sources:
  - {file: products.csv, columns: {id: SKU, image_urls: Photo}, where: stock > 0}
"""
PRODUCTS = f"""\
SKU,Title,Photo,Colour,Stock
00123,Ceramic Mug,{URL}/a.jpg,blue,4
00124,Linen Shirt,{URL}/b.jpg | {URL}/b2.jpg,,2
00125,LED Lamp,{URL}/c.jpg,black,0
"""
SHOPIFY_HEAD = """\
version: 1
defaults: {prompt: "Ghost mannequin for {{ title }}."}
sources: [{file: shop.csv, preset: shopify, where: status == "active", per: image}]
"""
SHOPIFY = f"""\
Handle,Title,Status,Image Src,Image Position,Variant SKU
blue-shirt,Blue Shirt,active,{URL}/1.jpg,2,BS-S
blue-shirt,,,{URL}/2.jpg,1,BS-M
blue-shirt,,,{URL}/1.jpg,,BS-L
old-hat,"Old, Hat",archived,{URL}/9.jpg,1,OH
cap,Cap,active,{URL}/c.jpg,1,C
"""
GOOGLE_HEAD = """\
version: 1
defaults: {prompt: "{{ brand }}: {{ title }}"}
sources: [{file: feed.tsv, preset: google-merchant}]
"""
GOOGLE = "\n".join(
    (
        "id\ttitle\timage_link\tadditional_image_link\tbrand",
        f"S-1\tSteel Bottle, 1 l\t{URL}/1.jpg\t{URL}/2.jpg?c=0%2C0,{URL}/3.jpg\tNord",
        f"S-2\tShoe\t{URL}/4.jpg\t\tNord",
        f'S-3\t"A ""good"" hat"\t{URL}/5.jpg\t{URL}/5.jpg\tSüd\n',
    )
)


def _lines() -> bytes:
    return "".join(json.dumps(job, ensure_ascii=False) + "\n" for job in FLAT).encode()


def _workbook() -> bytes:
    """As a spreadsheet saves one, but not packed: what is changed in it is seen."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"strings_to_urls": False}) as book:
        sheet = book.add_worksheet()
        padded = book.add_format({"num_format": "00000"})
        sheet.write_row(0, 0, ["id", "prompt", "image_urls", "num_images", "Note"])
        sheet.write_row(1, 0, ["mug", "White, <soft> & bright\nlight", f"{URL}/a.jpg", 2, "a"])
        sheet.write_row(2, 0, ["", "背景を白に", f"{URL}/b.jpg|{URL}/c.jpg", "", 1.25])
        sheet.write_number(2, 0, 123, padded)
        sheet.write_row(3, 0, ["lamp", "On oak", f"{URL}/c.jpg", 1, True])
    return repacked(file.getvalue(), lambda _, part: part)


def repacked(book: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """The workbook with its parts changed, whole as an archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as before, zipfile.ZipFile(file, "w") as after:
        for name in before.namelist():
            after.writestr(zipfile.ZipInfo(name), change(name, before.read(name)))
    return file.getvalue()


GOOD: Mapping[str, Good] = {
    "csv": Good({"m.csv": ROWS.encode()}, ("m.csv",), readings.table),
    "semicolons": Good({"m.csv": SEMICOLONS.encode()}, ("m.csv",), readings.table),
    "tsv": Good({"m.tsv": ROWS.replace(",", "\t").encode()}, ("m.tsv",), readings.table),
    "jsonl": Good({"m.jsonl": _lines()}, ("m.jsonl",), readings.json_lines),
    "xlsx": Good({"m.xlsx": _workbook()}, ("m.xlsx",), readings.workbook),
    "block": Good({"m.yaml": BLOCK.encode()}, ("m.yaml",), yaml_readings.jobs),
    "flow": Good({"m.yaml": FLOW.encode()}, ("m.yaml",), yaml_readings.jobs),
    "matrix": Good({"m.yaml": MATRIX.encode()}, ("m.yaml",), yaml_readings.jobs),
    "template": Good(
        {"m.yaml": HEAD.encode(), "products.csv": PRODUCTS.encode()}, ("m.yaml", "products.csv"), yaml_readings.sheet
    ),
    "shopify": Good(
        {"m.yaml": SHOPIFY_HEAD.encode(), "shop.csv": SHOPIFY.encode()}, ("shop.csv",), yaml_readings.shopify
    ),
    "google": Good({"m.yaml": GOOGLE_HEAD.encode(), "feed.tsv": GOOGLE.encode()}, ("feed.tsv",), yaml_readings.google),
}
