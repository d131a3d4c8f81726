"""What columns are called: the names by which a sheet's column is known for a field's, or looks like one."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Final

SYNONYMS: Final = {
    "prompt": ("prompt_text", "instruction", "edit"),
    "image_urls": (
        *("image_url", "image", "images", "url", "urls", "photo", "photos", "picture", "pictures"),
        *("image_src", "src", "image_link"),
    ),
}
SYNONYMS_OF_ONE: Final = ("image_urls", "images", "url", "photo", "image_src", "src", "image_link")
"""What a model's only media field, whatever its name, may be called in a sheet."""
NUMBERED: Final = re.compile(r"(?P<stem>(?:image_?)?(?:url|image|photo|picture|src))s?_?(?P<number>\d{1,2})")
"""`url_1`, `image2`, `image_url_10`: one picture a column."""
SHOWS: Final = re.compile(
    r"image|(?:^|_)imgs?(?:_|\d|$)|photo(?!graph)|picture|gallery|bild(?:er)?(?=_|\d|$)|foto(?!graf)"
    r"|画像|写真|[图圖]片|照片|이미지|사진|изображени|фото(?!граф)"
)
BESIDE: Final = re.compile(
    r"(?:^|_)(?:alt|text|title|caption|count|no|num|number|note|position|width|height|size|format|type|ratio|name|status|id|date|author|credit|approved|by|licen[cs]e|copyright|rights|source|vorhanden|datum)s?"
    r"(?:_|$)"
)
"""What is in a column's name beside a word for a picture where it is about one, and holds none."""
TEXT: Final = re.compile(r"(?:^|_)texts?(?=_|$)")
"""What a prompt is, and the alternative of a picture."""
ASKS: Final = re.compile(
    r"(?:^|_)(?:prompt|instruction|(?:bild|foto)?(?:bearbeitungs)?anweisung|instrucci[oó]n|istruzion[ei])(?:s|en|es)?(?=_|\d|$)|プロンプト|指示文?"
    r"|提示[词詞]|指令|프롬프트|промпт"
)
ASKS_FOR_SURE: Final = re.compile(
    r"(?:^|_)prompt(?:s|en|es)?(?=_|\d|$)|プロンプト|提示[词詞]|프롬프트|промпт"
    r"|(?:画像|写真|編集|加工|背景)指示|(?:[图圖]片|编辑)指令"
    r"|(?:^|_)(?:edit|image|picture|photo|bild|foto|retouch\w*)_(?:instruction|anweisung)(?:s|en)?(?=_|\d|$)"
    r"|(?:^|_)(?:bild|foto)(?:bearbeitungs)?anweisung(?:en)?(?=_|\d|$)"
)
"""What the name of a column says that holds prompts, and nothing else."""
MAY_ASK: Final = re.compile(r"(?:^|_)(?:(?:bild|foto)?bearbeitung(?:shinweise?)?|consignes?|retouches?)(?=_|\d|$)")
"""The same of one that holds prompts if it holds sentences: it may also say what an order has come to."""
LONGEST_URL: Final = 2_000
PICTURE: Final = re.compile(r"https?://\S+\.(?:jpe?g|png|webp|gif|avif|heic|bmp|tiff?)(?:\?\S*)?", re.IGNORECASE)
"""A cell that holds one."""
RATIO: Final = re.compile(r"\d{1,2}\s?[:x\xd7/]\s?\d{1,2}", re.IGNORECASE)
OF_CARE: Final = re.compile(
    r"(?:^|_)(?:care|wash|washing|use|usage|user|assembly|safety|mounting|install\w*|pflege|cooking|storage|delivery|gift"
    r"|special|orders?|shipping|preparation|dosage|dosing|handling|lavage|entretien|tri|s[eé]curit[eé]|livraison)(?:_|$)"
)
"""What instructions in a shop are about."""
MEDIA: Final = ("image_urls", "image_url", "image", "images", "video_url", "video", "videos")
"""Fields of URLs, as models call them."""
MAIN: Final = re.compile(
    r".*(?:^|_)(?:main|cover|primary|hero|featured|base|haupt\w*|titel\w*|principale?)(?:_.*|$)|.*(?:メイン|主[图圖]).*"
    r"|(?:image|img|photo|picture|bild|foto)(?:er|s)?(?:_(?:ur[li]s?|src|links?))?|画像|写真|[图圖]片|照片|이미지|사진|фото"
)
"""What the picture is called that comes first."""
LAST_NUMBER: Final = re.compile(r"\d+(?=\D*\Z)")
NAMING: Final = ("sku", "handle", "custom_id")
NEAR: Final = {
    "aspect_ratio": (
        *(
            "ratio",
            "image_ratio",
            "picture_ratio",
            "aspect",
            "seitenverhältnis",
            "bildformat",
            "proporzioni",
            "proporción",
            "比率",
            "縦横比",
        ),
        *(
            "verhältnis",
            "relación_de_aspecto",
            "relacion_de_aspecto",
            "proporciones",
            "rapport_d_aspect",
            "format_d_image",
        ),
        *("format_de_l_image", "アスペクト比", "画面比例", "宽高比", "长宽比", "비율", "соотношение_сторон"),
    ),
    "output_format": (
        *(
            "format",
            "file_format",
            "file_type",
            "image_format",
            "image_type",
            "dateiformat",
            "ausgabeformat",
            "出力形式",
            "ファイル形式",
        ),
        *(
            "formato_de_salida",
            "formato",
            "format_de_sortie",
            "format_de_fichier",
            "formato_de_archivo",
            "图片格式",
            "输出格式",
        ),
    ),
    "num_images": (
        *(
            "count",
            "images_count",
            "image_count",
            "number_of_images",
            "no_of_images",
            "num_of_images",
            "anzahl",
            "anzahl_bilder",
            "枚数",
            "画像数",
        ),
        *(
            "número_de_imágenes",
            "numero_de_imagenes",
            "cantidad_de_imágenes",
            "nombre_d_images",
            "bilderzahl",
            "bildanzahl",
            "张数",
            "图片数量",
        ),
    ),
}
"""What a field is called elsewhere, and no synonym: a sheet's `format` may be that of a book."""
OF_OTHERS: Final = frozenset(
    {"negative_prompt", "seed", "guidance_scale", "num_inference_steps", "strength", "resolution"}
)
"""Inputs of other models."""


def field_like(key: str, text: str, fields: Container[str]) -> str | None:
    """The field that a column is probably meant for, by its name; empty for one of other models, `None` for neither.

    `text` is its first: a ratio is no other field's, whatever the column is called.
    """
    name = next((name for name, words in NEAR.items() if key in words and name in fields), "")
    if name and RATIO.fullmatch(text.strip()) and "aspect_ratio" in fields:
        return "aspect_ratio"
    return name or ("" if key in OF_OTHERS else None)


def is_of_pictures(key: str) -> bool:
    """Whether a column is called like one of pictures; `key` is its name as `key_of` spells it."""
    return SHOWS.search(key) is not None and BESIDE.search(key) is None


def is_of_prompts(key: str) -> bool:
    """The same of prompts."""
    return (
        ASKS.search(key) is not None
        and OF_CARE.search(key) is None
        and BESIDE.search(TEXT.sub("", key)) is None
        and key not in OF_OTHERS
    )


def may_be_of_prompts(key: str) -> bool:
    """Whether it is so if there are sentences in the column."""
    return MAY_ASK.search(key) is not None and OF_CARE.search(key) is None and BESIDE.search(key) is None


def is_surely_of_prompts(key: str) -> bool:
    """Whether it is called so that nobody need be asked: `instructions` may be those for a cook."""
    return is_of_prompts(key) and ASKS_FOR_SURE.search(key) is not None


def stem_of(key: str) -> str:
    """What a column with a number is called without it: `image_url` of `image_urls` and of `image_url_2`."""
    match = NUMBERED.fullmatch(f"{key}_1")
    return match["stem"] if match else key


def in_order(columns: Mapping[int, str]) -> list[int]:
    """Columns of pictures as they are sent: as they stand, but numbered ones by number, and behind the main one.

    `columns` are their names, as `key_of` spells them, by their index.
    """
    numbered: dict[str, list[tuple[int, int]]] = {}
    for index, key in columns.items():
        if (found := LAST_NUMBER.search(key)) and len(found[0]) < 3:  # a longer one is a size
            stem = f"{key[: found.start()]}#{key[found.end() :]}"
            numbered.setdefault(stem, []).append((int(found[0]), index))
    order = sorted(columns)
    for pairs in numbered.values():
        places = sorted(order.index(index) for _, index in pairs)
        for place, (_, index) in zip(places, sorted(pairs), strict=True):
            order[place] = index
    first = min((order.index(index) for pairs in numbered.values() for _, index in pairs), default=len(order))
    main = [index for index in order[first:] if is_main(columns[index])]
    return [*order[:first], *main, *(index for index in order[first:] if index not in main)]


def is_main(key: str) -> bool:
    """Whether a column is called like one of the picture that comes first; none with a number is."""
    return LAST_NUMBER.search(key) is None and MAIN.fullmatch(key) is not None
