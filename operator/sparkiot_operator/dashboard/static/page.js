// Says when the dashboard itself is away. Everything else works without this file; htmx asks again by itself.
const lost = (away) => {
  document.getElementById("lost").hidden = !away;
};
document.addEventListener("htmx:error", () => lost(true));
document.addEventListener("htmx:after:request", () => lost(false));
