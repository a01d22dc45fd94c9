"use strict";
// Players: without this script the browser's own controls stand under every picture.
const ICONS = {
  play: '<svg viewBox="0 0 10 10" aria-hidden="true"><path d="M1.5 0v10L10 5z"/></svg>',
  pause: '<svg viewBox="0 0 10 10" aria-hidden="true"><path d="M1 0h3v10H1zM6 0h3v10H6z"/></svg>',
};
let current = null;

function enhance(player) {
  const audio = player.querySelector("audio");
  const name = audio.getAttribute("aria-label");
  const strip = document.createElement("div");
  const head = document.createElement("span");
  const button = document.createElement("button");
  strip.className = "strip";
  head.className = "head";
  button.className = "play";
  button.type = "button";
  strip.append(...player.querySelectorAll("img, .mark"), head);
  player.append(button, strip, audio);
  player.classList.add("live");
  audio.controls = false;

  function show(state) {
    player.classList.toggle("playing", state === "playing");
    player.classList.toggle("paused", state === "paused");
    button.innerHTML = state === "playing" ? ICONS.pause : ICONS.play;
    button.setAttribute("aria-label", `${state === "playing" ? "Pause" : "Play"}: ${name}`);
  }
  function move() {
    if (audio.duration) head.style.left = `${(100 * audio.currentTime) / audio.duration}%`;
    if (!audio.paused) requestAnimationFrame(move);
  }
  function toggle() {
    if (audio.paused) audio.play();
    else audio.pause();
  }
  button.addEventListener("click", toggle);
  button.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    audio.currentTime = Math.max(0, audio.currentTime + step);
    move();
  });
  strip.addEventListener("click", (event) => {
    const box = strip.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const seek = () => { audio.currentTime = share * audio.duration; };
    if (audio.readyState) seek();
    else audio.addEventListener("loadedmetadata", seek, { once: true });
    audio.play();
  });
  audio.addEventListener("play", () => {
    if (current && current !== audio) current.pause();
    current = audio;
    show("playing");
    move();
  });
  audio.addEventListener("pause", () => show(audio.currentTime > 0 && !audio.ended ? "paused" : ""));
  audio.addEventListener("ended", () => show(""));
  show("");
}
document.querySelectorAll("[data-player]").forEach(enhance);

// Curves: the value under the pointer takes the place of the last one.
document.querySelectorAll(".curve").forEach((curve) => {
  const points = JSON.parse(curve.dataset.points);
  const output = curve.querySelector("output");
  const last = output.textContent;
  const svg = curve.querySelector("svg");
  const [first, end] = [points[0][0], points[points.length - 1][0]];
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const step = first + ((end - first) * (event.clientX - box.left)) / box.width;
    const near = points.reduce((a, b) => (Math.abs(b[0] - step) < Math.abs(a[0] - step) ? b : a));
    output.textContent = `${Number(near[1].toPrecision(3))} at ${near[0]}`;
  });
  svg.addEventListener("pointerleave", () => { output.textContent = last; });
});
