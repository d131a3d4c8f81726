"""Every manifest of `manifests/`, and a sheet without one, run to its pictures by the command.

What the service received is what a person reads in the files.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.processes import command

MANIFESTS = Path(__file__).parents[2] / "manifests"
WHITE = "Pure white background"
STUDIO, KITCHEN = "Seamless cream background, the {} unchanged.", "On a sunlit kitchen counter, the {} unchanged."
TALL = "Keep the proportions: the plant is twice as tall.\n"
RAIN = "Keep the product unchanged. Turn the scene to blue hour after a light drizzle"
VASE = 'vase "ola", tall'

JOBS = {
    "gift-guide.yaml": {
        "mug-navy": (f"{WHITE}. Keep the mug, and a soft shadow under it.", ["mug-navy.jpg"]),
        "mug-on-tray": (
            "Put the mug of image 1 beside the plant of image 2, on an oak table.\n" + TALL,
            ["mug-on-tray-1.jpg", "mug-on-tray-2.jpg"],
        ),
        "tin-box": ("Background #2f4858, matt. Keep the lid closed.", ["tin-box.jpg"]),
        "watch-strap": (f"{WHITE}. Do not redraw any lettering.", ["watch-strap.jpg"]),
    },
    "sample-request.yaml": {
        "sample": (
            f"{RAIN}, with soft reflections and a gentle relight.",
            ["sample.png"],
        )
    },
    "stock.yaml": {
        sku: (f"{WHITE} (#FFFFFF) for this {about} Do not change any lettering.", [f"{sku}/1.jpg"])
        for sku, about in {
            "00123": "ceramic mug. Its blue stays exactly as it is.",
            "00124": "linen shirt.",
            "00126": f"{VASE}. Its teal stays exactly as it is.",
        }.items()
    },
    "scenes.yaml": {
        "00123__studio__1x1": (STUDIO.format("ceramic mug"), ["00123/studio-1x1-1.jpg"]),
        **{
            f"00123__kitchen__{shape}": (
                KITCHEN.format("ceramic mug"),
                [f"00123/kitchen-{shape}-1.jpg", f"00123/kitchen-{shape}-2.jpg"],
            )
            for shape in ("1x1", "4x5")
        },
        "00126__studio__1x1": (STUDIO.format(VASE), ["00126/studio-1x1-1.jpg"]),
        "00126__kitchen__1x1": (KITCHEN.format(VASE), ["00126/kitchen-1x1-1.jpg"]),
        "00126__studio__16x9": (STUDIO.format(VASE), ["00126/studio-16x9-1.jpg"]),
    },
    "shohin.yaml": {
        "0001": (
            "真っ白な背景にしてください。商品「マグカップ①」の形と文字は変えないでください。",
            ["0001.jpg"],
        ),
        "0002": (
            "木のテーブルの上に置いてください。商品「花瓶～青」の形と文字は変えないでください。",
            ["0002.jpg"],
        ),
    },
    "photos.yaml": {
        name: (f"Seamless sage background for the {name.replace('-', ' ')}.", [f"{name}.jpg"])
        for name in ("bag-brown", "plant-white")
    },
    "workbook.yaml": {
        "00310": ("Desk lamp, black and white.", ["00310.webp"]),
        "00400": ("Dining chair, black and white.", ["00400.webp"]),
    },
    "shopify.yaml": {
        f"{handle}--{file}": (
            f"{WHITE} for this {handle.replace('-', ' ')}. Keep the product and a soft shadow.",
            [f"{handle}/{n}.jpg"],
        )
        for handle, *files in (
            ("oak-mug", "mug-blue", "mug-red"),
            ("desk-lamp", "lamp-navy-gold", "lamp-cream-gold"),
            ("linen-shirt", "shirt-navy", "shirt-white"),
            ("field-watch", "watch-brown-silver"),
        )
        for n, file in enumerate(files, 1)
    },
    "woocommerce.yaml": {
        name: ("Seamless beige background. Keep the product unchanged.", [f"{name}.jpg"])
        for name in ("woo-vase", "woo-vase-white", "woo-vase-teal", "woo-vase-grey", "48")
    },
    "google-merchant.yaml": {
        sku: (f"Nordhus: {title}, all views side by side on white.", [f"{sku}.jpg"])
        for sku, title in (("SKU-1001", "Steel Bottle, 500 ml"), ("SKU-1003", "Field Watch"))
    },
    "jobs.jsonl": {
        "plant-copper": ("In a garden, on the grass.", ["plant-copper.png"]),
        "chair-pink": ("Seamless cream background.", ["chair-pink.jpg"]),
        "box-kraft": (f"{WHITE}.", ["box-kraft.png"]),
    },
    "feed.tsv": {
        "bottle-blue": ("On fresh snow, winter light.", ["bottle-blue.webp"]),
        "bottle-copper": ("On the sand of a beach.", ["bottle-copper.webp"]),
        "shoe-white": (f"{WHITE}.", ["shoe-white.jpg"]),
    },
    "exports/stock.csv": {
        "00123": ("Ceramic Mug on oak.", ["00123.jpg"]),
        "00124": ("Linen Shirt on oak.", ["00124.jpg"]),
        "00125": ("Desk Lamp on oak.", ["00125.jpg"]),
        "00126": ('Vase "Ola", tall on oak.', ["00126.jpg"]),
    },
    "exports/shopify_new.csv": {
        "linen-shirt": ("Linen Shirt, white.", ["linen-shirt.jpg"]),
        "field-watch": ("Field Watch, white.", ["field-watch.jpg"]),
    },
}
"""By file: each job's prompt, and its pictures."""
FLAGS = {
    "exports/stock.csv": (
        *("--prompt", "{{ title }} on oak.", "--col", "id=SKU", "--col", "image_urls=Photo"),
        *("--set", "aspect_ratio=1:1", "--set", "output_format=jpeg"),
    ),
    "exports/shopify_new.csv": (
        "--preset",
        "shopify",
        "--prompt",
        "{{ title }}, white.",
        "--set",
        "output_format=jpeg",
    ),
}
"""What the command line says of a table that is a manifest by itself."""
REPEATED = {"woocommerce.yaml": 1}
"""Jobs whose request another makes as well: the same edit of the same picture is paid for once."""


def run(name, folder):
    """Run one of them as a person does: exit code, jobs with prompts and files, states, prompts that were received."""
    out = folder / name.replace("/", "-")
    done = command("run", MANIFESTS / name, *FLAGS.get(name, ()), "--simulate", "--out", out, cwd=folder, timeout=100)
    assert done.returncode in (0, 1), (name, done.stderr)
    results = [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]
    received = [json.loads(line)["inputs"]["prompt"] for line in (out / "simulator.jsonl").read_text().splitlines()]
    jobs = {}
    for line in results:
        files = [file["path"] for file in line["files"]]
        assert all((out / path).stat().st_size > 1000 for path in files), name
        jobs[line["job_id"]] = (line["inputs"]["prompt"], [path.removeprefix("images/") for path in files])
    states = {line["job_id"]: line["state"] for line in results}
    return done.returncode, jobs, states, sorted(received)


@pytest.mark.timeout(300)
def test_every_shipped_manifest_is_run_to_its_pictures(tmp_path):
    """All jobs done, all files there, and the prompts that arrived are those that stand in the files."""
    with ThreadPoolExecutor(4) as pool:  # most of a simulated night is waiting
        found = dict(zip(JOBS, pool.map(lambda name: run(name, tmp_path), JOBS), strict=True))
    for name, (code, jobs, states, received) in found.items():
        assert jobs == JOBS[name], name
        assert (code, set(states.values())) == (0, {"done"}), name
        prompts = sorted(prompt for prompt, _ in JOBS[name].values())
        assert set(received) == set(prompts), name
        assert len(received) == len(prompts) - REPEATED.get(name, 0), name


def test_no_manifest_is_left_out():
    """Whoever adds one says what comes of it; the catalogue is the demo's, the sheet comes back in `results.csv`."""
    shipped = {path.name for path in MANIFESTS.iterdir() if path.is_file()}
    assert shipped == {name for name in JOBS if "/" not in name} | {"catalogue.yaml", "spring.csv"}
    used = "".join(path.read_text("utf-8") for path in MANIFESTS.glob("*.yaml")) + "".join(FLAGS)
    assert [path.name for path in (MANIFESTS / "exports").iterdir() if path.name not in used] == []
