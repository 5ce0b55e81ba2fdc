// Draws every formula of a page with KaTeX: those between \( \), and those between \[ \].
const draw = () =>
  document.querySelectorAll(".arithmatex").forEach((element) => {
    const source = element.textContent.trim();
    if (!/^\\[([]/.test(source)) return;
    katex.render(source.slice(2, -2), element, { displayMode: source[1] === "[", throwOnError: false, strict: "ignore" });
  });
document.addEventListener("DOMContentLoaded", draw);
