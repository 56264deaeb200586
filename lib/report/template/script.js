// The language switch keeps the section that is read. Without script it leads to the top of the same page.
(() => {
  const links = [...document.querySelectorAll(".languages a")];
  const addresses = links.map((link) => link.getAttribute("href"));
  const follow = () => links.forEach((link, i) => link.setAttribute("href", addresses[i] + location.hash));
  addEventListener("hashchange", follow);
  follow();
})();
