"""By which numbers prompts call their pictures, in the languages in which people write them."""

import pytest

from runner.manifest.called import highest_called


@pytest.mark.parametrize(
    "prompt",
    [
        "Put it on the table in image 2.",
        "the second photo",
        "das zweite Bild",
        "Bild 2",
        "Foto 2",
        "la deuxième photo",
        "la segunda imagen",
        "la seconda immagine",
        "a segunda imagem",
        "de tweede foto",
        "画像２",
        "2枚目",
        "第二张图片",
        "第2张",
        "2번째 사진",
        "both images",
        "Both of the photos",
        "the two images",
        "des zweiten Bildes",
        "2番目の画像",
        "두 번째 사진",
        "the mug from image two",
        "the second input image",
        "Bild Nr. 2",
        "photo no. 2",
        "Put the mug from image 2 in the kitchen",
        "the mug of image 2 in high resolution",
        "aus Bild 2 in das Regal",
        "afbeelding 2 in de kast",
        "Combine both pictures into one scene.",
        "Kombiniere beide Bilder zu einer Szene.",
        "Unisci le due foto in una scena.",
        "Combine les deux photos sur un fond blanc.",
        "Put both images on one oak table.",
        "ambas as imagens",
        "두 이미지",
        "2번 이미지",
        "이미지 2",
        "使用图二",
        "immagine n. 2",
        "les deux photos",
        "ambas imágenes",
        "entrambe le immagini",
        "両方の画像",
        "images 1 and 2",
        "Bilder 1 und 2",
    ],
)
def test_two_pictures_are_called(prompt):
    assert highest_called(prompt) == 2


@pytest.mark.parametrize(
    ("prompt", "number"),
    [("third picture", 3), ("the 4th image", 4), ("das dritte Bild", 3), ("第三张", 3), ("Foto 3, nicht Bild 2", 3)],
)
def test_the_highest_counts(prompt, number):
    assert highest_called(prompt) == number


@pytest.mark.parametrize(
    "prompt",
    [
        "White.",
        "Make it 16:9.",
        "image 16:9",
        "a photo 10 cm wide",
        "image 2x",
        "photo 360",
        "Foto 2024",
        "2 images",
        "Mach 2 Bilder",
        "zweites Regal",
        "a second mug",
        "both mugs",
        "Bildschirm",
        "写真のように",
        "photo 50%",
        "Rotate the image 90 degrees.",
        "Make the image 20 percent brighter.",
        "Foto 10 Grad drehen",
        "Bild 50 x 70 cm",
        "Bild 5 x 7 cm",
        "photo 3D",
        "an image 4K",
        "Straighten both photos on the wall.",
        "both pictures hang on the wall",
        "der beiden Bilder",
        "Product photo three-quarter view",
        "Foto tres cuartos del zapato",
        "photo trois quarts",
        "Make the image two stops brighter.",
        "la photo deux fois plus claire",
        "Das Bild 3 Stufen heller",
        "Foto 9 mal 13",
        "image 10-15% larger",
        "a photo 10 in wide",
        "la foto 2 veces más clara",
        "l'immagine 2 volte",
        "photo 3 shades lighter",
        "the image 2 m away",
        "写真2割",
        "사진 2배",
        "the two pictures in the frame",
    ],
)
def test_other_numbers_call_no_picture(prompt):
    assert highest_called(prompt) == 0
