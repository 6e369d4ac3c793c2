// Passkeys: asks the browser for one and sends what it gives with the form that waits for it. A form says by `data-passkey`
// what it is for: "register", "second-step" or "sign-in". Where browsers know no passkeys, or run no scripts, it stays hidden.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const text = (buffer) => buffer && btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
const each = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));

/** What the portal asks for, and the handle under which it knows that. */
async function asked(kind) {
  const [name, args] = kind === 'register' ? ['begin_passkey', {}] : ['ask_passkey', { second_step: kind === 'second-step' }];
  const response = await fetch(`/do/${name}`, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify({ ...args, drawn: {} }),
  });
  if (!response.ok) throw new Error(String(response.status));
  const { handle, options } = await response.json();
  const publicKey = JSON.parse(options);
  publicKey.challenge = bytes(publicKey.challenge);
  if (publicKey.user) publicKey.user.id = bytes(publicKey.user.id);
  publicKey.excludeCredentials = each(publicKey.excludeCredentials);
  publicKey.allowCredentials = each(publicKey.allowCredentials);
  return { handle, publicKey };
}

let waiting;

async function run(form, mediation) {
  const kind = form.dataset.passkey;
  const said = form.querySelector('[data-said]');
  waiting?.abort();
  const { signal } = (waiting = new AbortController());
  said.hidden = true;
  try {
    const { handle, publicKey } = await asked(kind);
    const given = kind === 'register' ? await navigator.credentials.create({ publicKey, signal }) : await navigator.credentials.get({ publicKey, signal, mediation });
    const { response } = given;
    const parts = ['attestationObject', 'authenticatorData', 'clientDataJSON', 'signature', 'userHandle'];
    form.elements['form[handle]'].value = handle;
    form.elements['form[answer]'].value = JSON.stringify({
      id: given.id,
      rawId: text(given.rawId),
      type: given.type,
      response: Object.fromEntries(parts.map((part) => [part, text(response[part]) ?? null])),
    });
    form.submit();
  } catch (error) {
    // Asked by itself, or given up for another try: nobody waits for a word.
    if (!mediation && !signal.aborted) said.hidden = false;
  }
}

if (window.PublicKeyCredential) {
  for (const link of document.querySelectorAll('[data-passkeys]')) link.hidden = false;
  for (const form of document.querySelectorAll('[data-passkey]')) {
    form.hidden = false;
    form.addEventListener('submit', (event) => {
      // Without a name the portal says so, and nothing is made.
      if (form.elements['form[name]']?.value.trim() === '') return;
      event.preventDefault();
      run(form);
    });
    if (form.dataset.passkey === 'sign-in') {
      // Passkeys are offered with the addresses that the browser fills in.
      PublicKeyCredential.isConditionalMediationAvailable?.().then((can) => can && run(form, 'conditional'));
    }
  }
}
