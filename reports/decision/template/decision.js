{
  // The decision lies over Allure's page, which is drawn beneath it all the time, and goes aside for it. An address with
  // a place in it (a link to a test that somebody was sent) leads there at once.
  const decision = document.getElementById("decision");
  const back = document.getElementById("to-decision");
  const show = (shown) => { decision.hidden = !shown; back.hidden = shown; };
  show(location.hash.length < 2);
  back.addEventListener("click", (event) => { event.preventDefault(); show(true); });
  decision.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link === null) return;
    const place = link.getAttribute("href");
    if (link.dataset.tests !== undefined) event.preventDefault();
    if (place.startsWith("#")) show(false);
  });
}
