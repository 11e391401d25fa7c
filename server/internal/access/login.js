
(() => {
  // A page that is rendered before anybody asked for it must not use the code.
  const send = () => document.getElementById("redeem").requestSubmit();
  if (document.prerendering) document.addEventListener("prerenderingchange", send, { once: true });
  else send();
})();
