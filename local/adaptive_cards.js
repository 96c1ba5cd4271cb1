// Reads one card a line, and answers with one line: what a reader sees, and what is wrong. See adaptive_cards.py.
"use strict";

const readline = require("node:readline");
const [renderer, markdown, dom] = process.argv.slice(2);
const domino = require(dom);

global.window = domino.createWindow("<html><body></body></html>");
global.document = window.document;
Object.assign(global, domino.impl);
const cards = require(renderer);
const reader = require(markdown)();

cards.AdaptiveCard.onProcessMarkdown = (text, result) => {
  result.outputHtml = reader.render(text);
  result.didProcess = true;
};

const all = (element, selector) => Array.from(element.querySelectorAll(selector));

function rendered(json) {
  const card = new cards.AdaptiveCard();
  const context = new cards.SerializationContext(cards.Versions.v1_4);
  card.parse(json, context);
  const found = Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index).message);
  found.push(...card.validateProperties().validationEvents.map((event) => event.message));
  const shown = card.render();
  const texts = all(shown, ".ac-richTextBlock, .ac-textBlock");
  const facts = all(shown, ".ac-factset tr").map((row) => all(row, "td").map((cell) => cell.textContent.trim()));
  return {
    problems: found,
    texts: all(shown, ".ac-richTextBlock").map((block) => block.textContent),
    markdown: all(shown, ".ac-textBlock").filter((block) => !block.closest("table")).map((block) => block.innerHTML),
    facts: Object.fromEntries(facts.map((cells) => [cells[0], cells[cells.length - 1]])),
    links: texts.flatMap((block) => all(block, "a")).map((link) => link.getAttribute("href")),
    tags: [...new Set(texts.flatMap((block) => all(block, "*")).map((part) => part.localName))].sort(),
  };
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  console.log(JSON.stringify(rendered(JSON.parse(line))));
});
