// Makes or uses a passkey; the page works without it.
"use strict";
(() => {
  const box = document.getElementById("passkey");
  if (!box || !window.PublicKeyCredential) return;
  const octets = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const send = (address, body) => fetch(address, {
    method: "POST", credentials: "same-origin", body,
    headers: { "Content-Type": "application/json", "X-Form-Token": box.dataset.token },
  });
  const known = (list) => (list || []).map((one) => ({ ...one, id: octets(one.id) }));
  const make = async (options) => navigator.credentials.create({ publicKey: {
    ...options, challenge: octets(options.challenge),
    user: { ...options.user, id: octets(options.user.id) },
    excludeCredentials: known(options.excludeCredentials),
  } });
  const use = async (options) => navigator.credentials.get({ publicKey: {
    ...options, challenge: octets(options.challenge), allowCredentials: known(options.allowCredentials),
  } });
  const button = box.querySelector("button");
  const problem = box.querySelector("[role=alert]");
  box.hidden = false;
  button.addEventListener("click", async () => {
    problem.hidden = true;
    try {
      const asked = await send(box.dataset.options, "{}");
      const options = await asked.json();
      const made = await (box.dataset.kind === "create" ? make(options) : use(options));
      const response = {};
      for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
        if (made.response[name]) response[name] = text(made.response[name]);
      }
      const done = await send(box.dataset.answer, JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response }));
      if (!done.ok) throw new Error("refused");
      location.assign(box.dataset.next);
    } catch {
      problem.hidden = false;
    }
  });
})();
