"""What stands behind whole sentences and needs no full stop is not cut off."""

from __future__ import annotations

import pytest

from dataflow.checks.rules.cut_off import cut_off
from dataflow.core.protocols.check import CheckContext

PROSE = "The photo shows a harbour at noon. Small boats lie at the quay."
CHINESE = "照片展示了正午的港口。小船停在码头边。"
JAPANESE = "写真は港を写している。小さな船が並ぶ。"
ENDS = [
    *(
        "\n\nVisible objects:\n- Boats\n- Gulls",
        "\n\n**Colors:** blue, white, grey\n**Mood:** calm",
    ),
    *(
        "\n\nTags: harbour, boats, gulls, sea",
        "\n#harbour #boats",
        " --ar 3:2",
        " A sign says: NO ENTRY",
    ),
    *("\nStyle: documentary\nLens: 35mm", " #harbour #boats #sea", " Keywords: harbour, boats"),
    *(
        "\n\nTags: harbour, boats, gulls, and the sea",
        " harbour, boats, gulls, sea",
        "\n1. Boats\n2. Gulls",
    ),
    *("\nharbour, boats, gulls, sea", "\n1) Boats\n2) Gulls", " --ar 16:9 --v 6", " --no text"),
    *(" https://example.org/a.jpg", "\nSource: https://example.org/a?b=c", "\nphoto by A. Miller"),
    *(
        "\n— Anna Miller",
        " © Anna Miller 2021",
        "\n| boat | 2 |\n| gull | 3 |",
        "\n* Boats\n* Gulls and the sea",
    ),
    *(
        "\n\nRoses are red\nViolets are blue\nSugar is sweet\nAnd so are you",
        "\n• Boats\n• Gulls at the quay",
    ),
    *(
        "\nMain subject: small boats at the quay",
        "\nObjects: boats, quay, water",
        " Camera: Canon EOS R5",
    ),
    *("\nLighting: soft light from above", "\n\nMood: quiet and calm", " Style: oil painting"),
    *(
        "\nAspect ratio: 3:2",
        " 8k, highly detailed, sharp focus, masterpiece",
        "\nscore_9, score_8_up",
    ),
    *(
        "\nnegative prompt: blurry, text",
        " <lora:harbour:0.8>",
        " (masterpiece:1.2)",
        " #海港",
        "\n#Hafen #Boote",
    ),
    *(" Title: Harbour at Noon", " The sign reads: FISH & CHIPS", " It is called “Blue Harbour”"),
    *("\nEXIF: f/2.8, 1/250 s, ISO 100", "\n\n- Boats: three\n- Gulls: two", "\nboats=3 gulls=2"),
    *("\n@harbourmaster", "\nHarbour of Marseille, 1908", "\nOil on canvas, 40 × 60 cm"),
    *(
        "\nLocation: Marseille, France",
        " Location - Marseille",
        "\nO calm blue sea\nwhere small boats lie",
    ),
]
LISTS = [
    *(
        f"{CHINESE}\n标签：港口、船、海鸥",
        f"{CHINESE}\n- 船\n- 海鸥",
        f"{CHINESE}关键词：港口，船，海鸥",
    ),
    *(
        f"{CHINESE}\n物品：\n1、船\n2、海鸥",
        f"{JAPANESE}\nタグ：港、船、かもめ",
        f"{CHINESE}#港口 #船",
    ),
    *(
        f"{CHINESE}风格：写实",
        f"{CHINESE}主要元素有港口、船、海鸥、蓝色的海",
        f"{JAPANESE}\n・港\n・船",
    ),
]
WHOLE = [*(PROSE + end for end in ENDS), *LISTS]
CUT = [
    f"{PROSE} In the background there is a",
    f"{PROSE} The sky above is",
    f"{PROSE} The water reflects the white hulls of",
    "The photo shows a harbour. Boats lie at the quay. The water reflects the white",
    "A dog runs along the",
    "A man in a red shirt stands at a table and is holding",
    "Das Foto zeigt einen Hafen. Boote liegen am Kai. Im Hintergrund steht ein",
    "La photo montre un port. Des bateaux sont au quai. Au fond, on voit une",
    "照片展示了港口。小船停在码头边。背景是一座很高的",
    "写真には港が写っており、小さな船が",
]


def test_there_are_sixty_ends():
    assert len(WHOLE) >= 60


@pytest.mark.parametrize("finish_reason", ["stop", None])
@pytest.mark.parametrize("text", WHOLE)
def test_lists_fields_and_verses_are_whole(text: str, finish_reason: str | None):
    assert cut_off()(text, CheckContext(finish_reason=finish_reason)) is None


@pytest.mark.parametrize("text", CUT)
def test_a_sentence_that_breaks_off_is_cut_off(text: str):
    assert cut_off()(text, CheckContext()) is not None


def test_the_engines_word_counts():
    assert cut_off()("A dog.", CheckContext(finish_reason="length")) is not None
    unclear = "A dog runs. A cat sleeps. The man holds a red ball"
    assert cut_off()(unclear, CheckContext()) is not None
    assert cut_off()(unclear, CheckContext(finish_reason="stop")) is None
