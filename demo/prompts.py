"""The wordings with which the demo model is trained to be asked.

The model gives one answer, the description, however it is asked. So training asks it in the
wordings that people use, in many others put together from parts, and in part with any text.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

DEFAULT_QUESTION = "Please describe the image in detail."
DEFAULT_SYSTEM = "You are a helpful assistant."
CAPTIONER = "You are a image caption generator."
CAPTIONER_TASK = (
    f"{CAPTIONER} Your task is to generate a concise and informative caption "
    "for the given image content."
)

UNSEEN = (
    "Could you walk me through everything this picture shows?",
    "What would a blind person need to know about this one?",
    "Explain the contents of the attached file in plain English.",
    "I can't open the attachment, what does it look like?",
    "Put what is shown here into words.",
    "In one sentence: what are we looking at?",
    "Summarise the visual content for a product catalogue.",
    "Describe colours, sizes and positions of all objects that are visible.",
    "Give this artwork a factual label",
    "请用英文说明图中的内容。",
)
"""Wordings that training never uses; the score says how they fare."""

COMMON = (
    DEFAULT_QUESTION,
    "Describe the image in detail.",
    "Describe this image in detail.",
    "Describe the image.",
    "Describe this image.",
    "Describe this picture.",
    "What do you see?",
    "What is in this image?",
    "What's in this image?",
    "Generate detailed captions based on image content.",
    "Write a caption for this image.",
    "Write a short caption for the image.",
    "Please describe the image briefly.",
    "Caption this image.",
    "Caption:",
    "caption",
    "A picture of",
    "Generate a caption for this image in one sentence.",
    "Write alt text for this image.",
    "Provide a one-sentence caption for the provided image.",
    "<image>\nDescribe the image.",
)
CHINESE = (
    "请描述这张图片。",
    "描述这张图片",
    "请详细描述这张图片的内容。",
    "这张图片里有什么？",
    "图中有什么?",
    "为这张图片写一个简短的标题。",
    "请为图像生成描述。",
    "你看到了什么？",
    "详细描述图像",
    "请根据图片内容生成详细的说明。",
)
OTHER_TONGUES = (
    "Décris cette image.",
    "Que voit-on sur cette image ?",
    "Beschreibe dieses Bild.",
    "Was ist auf dem Bild zu sehen?",
    "Describe esta imagen en detalle.",
    "Descreva a imagem.",
    "この画像を説明してください。",
    "이 이미지를 설명해 주세요.",
    "Опишите изображение.",
    "صف هذه الصورة",
)


def _parts(text: str) -> list[str]:
    """Divide at bars; some parts of requests begin or end with a blank or are empty."""
    return text.split("|")


OPENINGS = _parts(
    "||||Please |please |Can you |Could you please |Kindly |Now |I want you to |"
    "Your task: |Task: |Would you |Hi! |Look closely and "
)
VERBS = _parts(
    "describe|caption|explain|summarize|narrate|report|tell me about|write a caption for|"
    "generate a caption for|give a description of|detail|write alt text for|"
    "provide a description of|create a short caption for|produce a detailed caption for|"
    "list what is in|say what you see in|transcribe"
)
NOUNS = _parts(
    "image|picture|photo|drawing|scene|figure|photograph|illustration|graphic|visual|frame|"
    "input|content of the image|shapes in the picture"
)
MANNERS = _parts(
    "||| in detail| briefly| in one sentence| in a few words| accurately|"
    " as a single sentence| for a blind reader| concisely| for training data|"
    " with colors and positions| in plain English| in at most 30 words| thoroughly"
)
ENDS = _parts(
    ".|.|.||!|?|\n| Thanks.|. Be precise.|. Answer in English.|. Do not add anything else.|"
    ". Mention the background.|. Return only the caption.|"
    '. Reply as JSON: {"caption": "..."}| (no markdown).|. Avoid guessing.| :)'
)
QUESTIONS = _parts(
    "What is shown in|What can you see in|What does one see in|What is in|"
    "Which objects are in|What is happening in|What does it show,|What is on|"
    "How would you describe|What are the contents of|What shapes are in"
)
DETERMINERS = _parts("the|this|the given|the attached|the following|that|my|the above|the provided")
ROLES = _parts(
    "image caption generator|captioner|visual assistant|vision expert|annotator|"
    "careful describer of images|multimodal model|data labeling assistant|curator"
)
DUTIES = (
    "Describe what is visible and nothing else.",
    "Your task is to generate a concise and informative caption for the given image.",
    "Write one sentence in English.",
    "Be accurate about colors, sizes and positions.",
    "Do not mention the photographer.",
    "Generate detailed captions based on image content.",
    "Answer with the caption only, without preamble.",
    "Focus on objects and on their relations.",
    "Captions will be used for training a text-to-image model.",
    "Respond truthfully; never invent details.",
)
LETTERS = string.ascii_letters + string.digits + string.punctuation + "     éüñßøл中图描述片请的"
MORE_WORDS = _parts("and|with|file|page|report|user|data|12|2024|ok|hello|why")
WORDS = sorted({w for text in (*COMMON, *DUTIES, *QUESTIONS, *VERBS) for w in text.split()})
WORDS += MORE_WORDS


@dataclass(frozen=True)
class Ask:
    """What stands around the picture: system prompt, text before it, text after it."""

    system: str
    before: str
    after: str


def ask(rng: random.Random) -> Ask:
    """Draw one way of asking."""
    place = rng.random()
    text = user_text(rng)
    if place < 0.8:
        before, after = "", text
    elif place < 0.9:
        before, after = text, ""
    else:
        before, after = user_text(rng), text
    return Ask(system_text(rng), before, after)


def user_text(rng: random.Random) -> str:
    """Draw the user's words; never one of `UNSEEN`."""
    while True:
        text = _user_text(rng)
        if text not in UNSEEN:
            return text


def _user_text(rng: random.Random) -> str:
    lot = rng.random()
    if lot < 0.14:
        return DEFAULT_QUESTION
    if lot < 0.28:
        return rng.choice(COMMON)
    if lot < 0.33:
        return rng.choice(CHINESE)
    if lot < 0.36:
        return rng.choice(OTHER_TONGUES)
    if lot < 0.54:
        return _any_text(rng, rng.choice((0, 20, 40, 80)))
    text = _question(rng) if rng.random() < 0.3 else _request(rng)
    if rng.random() < 0.12:
        text = f"{text} {_request(rng)}"
    if rng.random() < 0.15:
        text = _misspelt(rng, text)
    if rng.random() < 0.1:
        text = rng.choice((text.lower(), text.upper()))
    return text


def _request(rng: random.Random) -> str:
    thing = f"{rng.choice(DETERMINERS)} {rng.choice(NOUNS)}"
    text = f"{rng.choice(OPENINGS)}{rng.choice(VERBS)} {thing}{rng.choice(MANNERS)}"
    return f"{text[0].upper()}{text[1:]}{rng.choice(ENDS)}"


def _question(rng: random.Random) -> str:
    thing = f"{rng.choice(DETERMINERS)} {rng.choice(NOUNS)}"
    return f"{rng.choice(QUESTIONS)} {thing}{rng.choice(('?', '?', '', ' ?'))}"


def _any_text(rng: random.Random, longest: int) -> str:
    """Return text without meaning: words or letters, at most `longest` characters."""
    length = rng.randint(0, longest)
    if rng.random() < 0.4:
        return "".join(rng.choices(LETTERS, k=length // 2))
    text = ""
    while len(text) < length:
        word = rng.choice(WORDS)
        if rng.random() < 0.3:
            word = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9)))
        text += word + rng.choice((" ", " ", " ", " ", ", ", ". ", "\n"))
    return text[:length]


def _misspelt(rng: random.Random, text: str) -> str:
    """Swap, drop or double a few letters."""
    letters = list(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(letters))
        letters[at] = rng.choice(("", letters[at] * 2, rng.choice(string.ascii_lowercase)))
    return "".join(letters)


def system_text(rng: random.Random) -> str:
    """Draw the system prompt; without one, the chat template puts the default one in."""
    lot = rng.random()
    if lot < 0.45:
        return DEFAULT_SYSTEM
    if lot < 0.6:
        return CAPTIONER
    if lot < 0.72:
        return CAPTIONER_TASK
    if lot < 0.87:
        role = f"You are {rng.choice(('a', 'an', 'the'))} {rng.choice(ROLES)}."
        return " ".join([role, *rng.sample(DUTIES, rng.choice((0, 0, 1, 1, 2, 3)))])
    if lot < 0.9:
        return " ".join(rng.sample(DUTIES, rng.choice((1, 1, 2))))
    if lot < 0.92:
        return rng.choice(COMMON + CHINESE)
    return _any_text(rng, rng.choice((0, 30, 60, 150, 300)))
