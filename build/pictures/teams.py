"""Teams: Microsoft's renderer draws the cards; around them a channel, with the colours of Teams by day."""

import json

from build.pictures.example import LINKS, NOTIFICATIONS
from local.adaptive_cards import files
from tocsin.channels.teams import escape, message
from tocsin.channels.wording import default_wording

SIZE = (1200, 424)

STYLE = """
body { margin: 0; padding: 20px; background: #f5f5f5; font: 14px/20px "Segoe UI", "Noto Sans", "Lato", sans-serif; }
body { display: flex; gap: 20px; align-items: flex-start; color: #242424; }
.post { flex: 1; min-width: 0; }
.who { margin: 0 0 6px 4px; font-size: 12px; color: #616161; } .who b { color: #242424; margin-right: 8px; }
.card { background: #fff; border: 1px solid #e0e0e0; border-radius: 6px; overflow: hidden; }
.ac-textBlock p { margin: 0; }
.ac-pushButton { font: 600 14px/20px inherit; font-family: inherit; padding: 5px 12px; border-radius: 4px; }
.ac-pushButton { background: #fff; border: 1px solid #d1d1d1; color: #242424; }
.ac-factset td { padding-bottom: 2px; }
"""

FOREGROUND = {
    name: {"default": colour, "subtle": colour}
    for name, colour in {
        "default": "#242424",
        "attention": "#c4314b",
        "warning": "#8a5300",
        "accent": "#4f52b2",
    }.items()
}

HOST = {
    "fontFamily": "inherit",
    "supportsInteractivity": True,
    "fontSizes": {"small": 12, "default": 14, "medium": 16, "large": 18, "extraLarge": 24},
    "containerStyles": {
        style: {"backgroundColor": colour, "foregroundColors": FOREGROUND}
        for style, colour in {
            "default": "#ffffff",
            "attention": "#fdf3f4",
            "warning": "#fef7e6",
            "accent": "#ebf3fc",
        }.items()
    },
    "factSet": {"spacing": 16, "title": {"weight": "bolder", "wrap": False, "maxWidth": 150}},
    "actions": {"actionAlignment": "left", "actionsOrientation": "horizontal", "buttonSpacing": 8},
}
"""The renderer's settings, in Teams's colours; the rest is the renderer's own."""

SCRIPT = """
AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => {
  result.outputHtml = markdownit().render(text);
  result.didProcess = true;
};
for (const message of messages) {
  const card = new AdaptiveCards.AdaptiveCard();
  card.hostConfig = new AdaptiveCards.HostConfig(host);
  card.parse(message.attachments[0].content);
  const post = document.body.appendChild(document.createElement("div"));
  post.className = "post";
  post.innerHTML = '<p class="who"><b>Workflows</b> 02:58</p><div class="card"></div>';
  post.querySelector(".card").append(card.render());
}
"""


def page() -> str:
    """Give the HTML."""
    messages = [message(each, default_wording(each, escape), LINKS) for each in NOTIFICATIONS]
    libraries = "".join(f'<script src="{file.as_uri()}"></script>' for file in files())
    data = f"const messages = {json.dumps(messages)}, host = {json.dumps(HOST)};".replace("</", "<\\/")
    head = f'<meta charset="utf-8"><style>{STYLE}</style>{libraries}'
    return f"<!doctype html><html><head>{head}</head><body><script>{data}{SCRIPT}</script></body></html>"
