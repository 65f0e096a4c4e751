// A person signs in and fhir-kit-client searches what is theirs (npm ci).
//
// node with-fhir-kit-client.mjs http://127.0.0.1:8000/fhir CLIENT_ID
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { Client } from "fhir-kit-client";

const SCOPE = "openid fhirUser launch/patient patient/*.rs";
const [baseUrl, clientId, redirectUri = "http://127.0.0.1:9876/callback"] = process.argv.slice(2);

/** Waits at the redirect address; what the browser brings there. */
function callback() {
  const where = new URL(redirectUri);
  return new Promise((brought) => {
    const server = createServer((request, response) => {
      const here = new URL(request.url, where);
      if (here.pathname !== where.pathname) return response.writeHead(404).end();
      response.writeHead(200, { Connection: "close" }).end("You may close this page.");
      server.close();
      brought(here.searchParams);
    });
    server.listen(where.port, where.hostname);
  });
}

/** The token answer (SMART App Launch, standalone, PKCE). */
async function signIn(client) {
  const { authorizeUrl, tokenUrl } = await client.smartAuthMetadata();
  const state = randomBytes(16).toString("base64url");
  const verifier = randomBytes(48).toString("base64url");
  authorizeUrl.search = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: SCOPE,
    state,
    aud: baseUrl,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const answer = callback();
  console.log(authorizeUrl.href);
  const brought = await answer;
  if (brought.get("state") !== state) throw new Error("not the answer to this request");
  const response = await fetch(tokenUrl, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: brought.get("code"),
      redirect_uri: redirectUri,
      client_id: clientId,
      code_verifier: verifier,
    }),
  });
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return response.json();
}

const client = new Client({ baseUrl });
const tokens = await signIn(client);
client.bearerToken = tokens.access_token;
const searchParams = { patient: tokens.patient };
let page = await client.search({ resourceType: "EpisodeOfCare", searchParams });
while (page) {
  for (const { resource } of page.entry ?? []) console.log(`EpisodeOfCare/${resource.id}`);
  page = await client.nextPage({ bundle: page });
}
