/**
 * Curl lines as they stand in the references of public services and in curl's own manual, and what a
 * stand-in answers to them. What curl makes of them is in `curl_answers.json`, which
 * `tests/fixtures/record_curl_lines.ts` writes.
 *
 * @module
 */
import { testFile } from "../support/raw_server.ts";

/** What the stand-in answers to one request. */
export interface StandInAnswer {
  readonly status?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** One line, unchanged. */
export interface CurlLine {
  readonly from:
    | "GitHub"
    | "Stripe"
    | "OpenAI"
    | "Docker"
    | "Kubernetes"
    | "Elasticsearch"
    | "curl"
    | "curl's manual"
    | "ours";
  readonly line: string;
  /** To each request, in their order. The last one goes on. Default: 200, a small JSON. */
  readonly answers?: readonly StandInAnswer[];
  /** Files that the line reads. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Types that are guessed of files, and what curl, which knows fewer, says in their place. */
  readonly types?: Readonly<Record<string, string>>;
  /** Why ours does something else; absent: it does not. */
  readonly otherwise?: string;
}

const NOT_FOUND: StandInAnswer = {
  status: "404 Not Found",
  headers: ["Content-Type: application/json; charset=utf-8", "X-GitHub-Media-Type: github.v3"],
  body: '{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}',
};

const stripeKey = { env: { STRIPE_KEY: "sk_test_4eC39HqLyjWDarjtT1zdp7dc" } };
const openAiKey = { env: { OPENAI_API_KEY: "sk-abc123" } };

/** The lines. */
export const curlLines: readonly CurlLine[] = [
  // GitHub
  {
    from: "GitHub",
    line: `curl -L \\
  -H "Accept: application/vnd.github+json" \\
  -H "Authorization: Bearer <YOUR-TOKEN>" \\
  -H "X-GitHub-Api-Version: 2022-11-28" \\
  https://api.github.com/repos/OWNER/REPO/issues`,
  },
  {
    from: "GitHub",
    line: `curl -L \\
  -X POST \\
  -H "Accept: application/vnd.github+json" \\
  -H "Authorization: Bearer <YOUR-TOKEN>" \\
  -H "X-GitHub-Api-Version: 2022-11-28" \\
  https://api.github.com/repos/OWNER/REPO/issues \\
  -d '{"title":"Found a bug","body":"I'\\''m having a problem with this.","assignees":["octocat"],"milestone":1,"labels":["bug"]}'`,
    answers: [{ status: "201 Created", body: '{"number":1347}' }],
  },
  {
    from: "GitHub",
    line: `curl -L \\
  -X PATCH \\
  -H "Accept: application/vnd.github+json" \\
  -H "Authorization: Bearer <YOUR-TOKEN>" \\
  -H "X-GitHub-Api-Version: 2022-11-28" \\
  https://api.github.com/repos/OWNER/REPO/issues/ISSUE_NUMBER \\
  -d '{"title":"Found a bug","body":"I'\\''m having a problem with this.","state":"open","labels":["bug"]}'`,
  },
  {
    from: "GitHub",
    line: `curl -L \\
  -X DELETE \\
  -H "Accept: application/vnd.github+json" \\
  -H "Authorization: Bearer <YOUR-TOKEN>" \\
  -H "X-GitHub-Api-Version: 2022-11-28" \\
  https://api.github.com/repos/OWNER/REPO/releases/RELEASE_ID`,
    answers: [{ status: "204 No Content" }],
  },
  {
    from: "GitHub",
    line: `curl -L \\
  -X POST \\
  -H "Accept: application/vnd.github+json" \\
  -H "Authorization: Bearer <YOUR-TOKEN>" \\
  -H "X-GitHub-Api-Version: 2022-11-28" \\
  -H "Content-Type: application/octet-stream" \\
  "https://uploads.github.com/repos/OWNER/REPO/releases/RELEASE_ID/assets?name=example.zip" \\
  --data-binary "@example.zip"`,
    files: { "example.zip": "PK\x03\x04\r\nnot really\n" },
    answers: [{ status: "201 Created", body: '{"name":"example.zip","size":16}' }],
  },
  {
    from: "GitHub",
    line: `curl --request GET \\
--url "https://api.github.com/octocat" \\
--header "Authorization: Bearer YOUR-TOKEN" \\
--header "X-GitHub-Api-Version: 2022-11-28"`,
    answers: [{
      headers: ["Content-Type: application/octocat-stream"],
      body: "MMM.           .MMM\n",
    }],
  },
  {
    from: "GitHub",
    line: `curl --include --request GET \\
--url "https://api.github.com/repos/octocat/Spoon-Knife/issues?per_page=2" \\
--header "Accept: application/vnd.github+json"`,
    answers: [{
      headers: [
        "Content-Type: application/json; charset=utf-8",
        'Link: <https://api.github.com/repositories/1300192/issues?per_page=2&page=2>; rel="next"',
      ],
      body: '[{"number":1}]',
    }],
  },
  {
    from: "GitHub",
    line: `curl -i https://api.github.com/users/octocat/orgs`,
    answers: [NOT_FOUND],
  },
  {
    from: "GitHub",
    line:
      `curl -L -H "Authorization: Bearer <YOUR-TOKEN>" https://api.github.com/repos/OWNER/REPO/tarball/REF -o repo.tar.gz`,
    answers: [
      {
        status: "302 Found",
        headers: ["Location: https://codeload.github.com/OWNER/REPO/legacy.tar.gz/refs/heads/REF"],
      },
      { headers: ["Content-Type: application/x-gzip"], body: "\x1f\x8b not really" },
    ],
  },
  {
    from: "GitHub",
    line: `curl -v -H "Authorization: Bearer TOKEN" https://api.github.com/users/codertocat -I`,
    answers: [{ headers: ["X-OAuth-Scopes: repo, user", "X-Accepted-OAuth-Scopes: user"] }],
  },
  // Stripe
  {
    from: "Stripe",
    line: `curl https://api.stripe.com/v1/customers \\
  -u "sk_test_4eC39HqLyjWDarjtT1zdp7dc:" \\
  -d name="Jenny Rosen" \\
  --data-urlencode email="jennyrosen@example.com"`,
  },
  {
    from: "Stripe",
    line: `curl https://api.stripe.com/v1/charges \\
  -u sk_test_4eC39HqLyjWDarjtT1zdp7dc: \\
  -d amount=2000 \\
  -d currency=usd \\
  -d source=tok_visa \\
  -d description="My First Test Charge (created for API docs)"`,
  },
  {
    from: "Stripe",
    line: `curl https://api.stripe.com/v1/charges/ch_3LmjFA2eZvKYlo2C09TLIsrw \\
  -u "sk_test_4eC39HqLyjWDarjtT1zdp7dc:" \\
  -d "expand[]"=customer \\
  -d "expand[]"="payment_intent.customer" \\
  -G`,
  },
  {
    from: "Stripe",
    line: `curl https://api.stripe.com/v1/charges \\
  -u "sk_test_4eC39HqLyjWDarjtT1zdp7dc:" \\
  -H "Idempotency-Key: KG5LxwFBepaKHyUD" \\
  -d amount=2000 \\
  -d currency=usd \\
  -d source=tok_mastercard`,
    answers: [{
      status: "402 Payment Required",
      body: '{"error":{"code":"card_declined","type":"card_error"}}',
    }],
  },
  {
    from: "Stripe",
    line: `curl https://api.stripe.com/v1/customers/cus_4fdAW5ftNQow1a \\
  -u "sk_test_4eC39HqLyjWDarjtT1zdp7dc:" \\
  -X DELETE`,
    answers: [{ body: '{"id":"cus_4fdAW5ftNQow1a","object":"customer","deleted":true}' }],
  },
  {
    from: "Stripe",
    line: `curl -G https://api.stripe.com/v1/customers \\
  -u "sk_test_4eC39HqLyjWDarjtT1zdp7dc:" \\
  -d limit=3`,
  },
  {
    from: "Stripe",
    line: `curl -G https://api.stripe.com/v1/customers/search \\
  -u "sk_test_4eC39HqLyjWDarjtT1zdp7dc:" \\
  --data-urlencode query="name:'Jane Doe' AND metadata['foo']:'bar'"`,
  },
  {
    from: "Stripe",
    line: `curl https://files.stripe.com/v1/files \\
  -u "sk_test_4eC39HqLyjWDarjtT1zdp7dc:" \\
  -F purpose=dispute_evidence \\
  -F file="@file.jpg"`,
    files: { "file.jpg": "\xff\xd8\xff not really" },
  },
  {
    from: "Stripe",
    line: `curl https://api.stripe.com/v1/payment_intents \\
  -u "$STRIPE_KEY:" \\
  -H "Stripe-Version: 2024-06-20" \\
  -H "Stripe-Account: acct_1032D82eZvKYlo2C" \\
  -d amount=2000 \\
  -d currency=usd \\
  -d "automatic_payment_methods[enabled]"=true`,
    ...stripeKey,
  },
  {
    from: "Stripe",
    line:
      `curl https://api.stripe.com/v1/charges -u sk_test_4eC39HqLyjWDarjtT1zdp7dc: --fail -sS -o charge.json`,
    answers: [{ status: "401 Unauthorized", body: '{"error":{"type":"invalid_request_error"}}' }],
  },
  // OpenAI
  {
    from: "OpenAI",
    line: `curl https://api.openai.com/v1/models \\
  -H "Authorization: Bearer $OPENAI_API_KEY"`,
    ...openAiKey,
  },
  {
    from: "OpenAI",
    line: `curl https://api.openai.com/v1/chat/completions \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -d '{
    "model": "gpt-4o",
    "messages": [
      {
        "role": "developer",
        "content": "You are a helpful assistant."
      },
      {
        "role": "user",
        "content": "Hello!"
      }
    ]
  }'`,
    ...openAiKey,
  },
  {
    from: "OpenAI",
    line: `curl https://api.openai.com/v1/chat/completions \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -d '{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}], "stream": true}' -N`,
    ...openAiKey,
    answers: [{
      headers: ["Content-Type: text/event-stream"],
      body: 'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n',
    }],
  },
  {
    from: "OpenAI",
    line: `curl https://api.openai.com/v1/audio/transcriptions \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: multipart/form-data" \\
  -F file="@audio.mp3" \\
  -F model="whisper-1"`,
    ...openAiKey,
    files: { "audio.mp3": "ID3 not really" },
    types: { "audio/mpeg": "application/octet-stream" },
  },
  {
    from: "OpenAI",
    line: `curl https://api.openai.com/v1/audio/speech \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "tts-1",
    "input": "The quick brown fox jumped over the lazy dog.",
    "voice": "alloy"
  }' \\
  --output speech.mp3`,
    ...openAiKey,
    answers: [{ headers: ["Content-Type: audio/mpeg"], body: "ID3\x00\x01\x02\xff" }],
  },
  {
    from: "OpenAI",
    line: `curl https://api.openai.com/v1/images/edits \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -F "model=gpt-image-1" \\
  -F "image[]=@body-lotion.png" \\
  -F "image[]=@bath-bomb.png" \\
  -F 'prompt=Create a lovely gift basket with these four items in it'`,
    ...openAiKey,
    files: { "body-lotion.png": "\x89PNG 1", "bath-bomb.png": "\x89PNG 2" },
  },
  {
    from: "OpenAI",
    line: `curl https://api.openai.com/v1/files \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -F purpose="fine-tune" \\
  -F file="@mydata.jsonl;type=application/jsonl"`,
    ...openAiKey,
    files: { "mydata.jsonl": '{"prompt":1}\n{"prompt":2}\n' },
  },
  {
    from: "OpenAI",
    line: `curl https://api.openai.com/v1/embeddings \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "input": "The food was delicious and the waiter...",
    "model": "text-embedding-ada-002",
    "encoding_format": "float"
  }'`,
    ...openAiKey,
  },
  {
    from: "OpenAI",
    line: `curl https://api.openai.com/v1/files/file-abc123 \\
  -X DELETE \\
  -H "Authorization: Bearer $OPENAI_API_KEY"`,
    ...openAiKey,
  },
  {
    from: "OpenAI",
    line: `curl -X POST https://api.openai.com/v1/threads/thread_abc123/runs/run_abc123/cancel \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "OpenAI-Beta: assistants=v2" \\
  -X POST`,
    ...openAiKey,
    answers: [{
      status: "429 Too Many Requests",
      body: '{"error":{"code":"rate_limit_exceeded"}}',
    }],
  },
  // Docker, Kubernetes
  {
    from: "Docker",
    line: `curl --unix-socket /var/run/docker.sock http://localhost/v1.47/containers/json`,
  },
  {
    from: "Docker",
    line: `curl --unix-socket /var/run/docker.sock -H "Content-Type: application/json" \\
  -d '{"Image": "alpine", "Cmd": ["echo", "hello world"]}' \\
  -X POST http://localhost/v1.47/containers/create`,
    answers: [{ status: "201 Created", body: '{"Id":"1c6594faf5","Warnings":null}' }],
  },
  {
    from: "Docker",
    line:
      `curl --unix-socket /var/run/docker.sock -X POST http://localhost/v1.47/containers/1c6594faf5/start`,
    answers: [{ status: "204 No Content" }],
  },
  {
    from: "Docker",
    line:
      `curl --unix-socket /var/run/docker.sock "http://localhost/v1.47/containers/1c6594faf5/logs?stdout=1"`,
    answers: [{
      headers: ["Content-Type: application/vnd.docker.raw-stream"],
      body: "hello world\n",
    }],
  },
  {
    from: "Docker",
    line:
      `curl -s -w "%{http_code}\\n" -o /dev/null --unix-socket /var/run/docker.sock http://localhost/_ping`,
    answers: [{ body: "OK" }],
  },
  {
    from: "Kubernetes",
    line: `curl http://localhost:8080/api/`,
  },
  {
    from: "Kubernetes",
    line: `curl -X GET $APISERVER/api --header "Authorization: Bearer $TOKEN" --insecure`,
    env: { APISERVER: "https://kubernetes.default.svc", TOKEN: "eyJhbGciOiJSUzI1NiJ9" },
  },
  {
    from: "Kubernetes",
    line: `curl --header "Content-Type: application/json-patch+json" \\
  --request PATCH \\
  --data '[{"op": "add", "path": "/status/capacity/example.com~1dongle", "value": "4"}]' \\
  http://localhost:8001/api/v1/nodes/k8s-node-1/status`,
  },
  {
    from: "Kubernetes",
    line: `curl -X DELETE localhost:8080/apis/apps/v1/namespaces/default/replicasets/frontend \\
  -d '{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Foreground"}' \\
  -H "Content-Type: application/json"`,
  },
  {
    from: "Kubernetes",
    line:
      `curl -k -v -XPUT -H "Accept: application/json" -H "Content-Type: application/json" -H "User-Agent: kubectl/v1.8.0" \\
  https://k8s.example.com:6443/api/v1/namespaces/test/finalize --data-binary @tmp.json`,
    files: { "tmp.json": '{\n  "kind": "Namespace"\n}\n' },
  },
  // Elasticsearch
  { from: "Elasticsearch", line: `curl -X GET "localhost:9200/_cat/health?v=true&pretty"` },
  {
    from: "Elasticsearch",
    line:
      `curl -X PUT "localhost:9200/my-index-000001?pretty" -H 'Content-Type: application/json' -d'
{
  "settings": {
    "number_of_shards": 3
  }
}
'`,
  },
  {
    from: "Elasticsearch",
    line: `curl -X POST "localhost:9200/_bulk?pretty" -H 'Content-Type: application/json' -d'
{ "index" : { "_index" : "test", "_id" : "1" } }
{ "field1" : "value1" }
{ "delete" : { "_index" : "test", "_id" : "2" } }
'`,
  },
  {
    from: "Elasticsearch",
    line:
      `curl -s -H "Content-Type: application/x-ndjson" -XPOST localhost:9200/_bulk --data-binary "@requests"`,
    files: { requests: '{ "index" : {} }\n{ "field1" : "value1" }\n' },
  },
  {
    from: "Elasticsearch",
    line:
      `curl -X GET "localhost:9200/my-index-000001/_search?pretty" -H 'Content-Type: application/json' -d'
{
  "query": {
    "match": { "message": { "query": "this is a test" } }
  }
}
'`,
  },
  { from: "Elasticsearch", line: `curl -I "localhost:9200/my-index-000001?pretty"` },
  {
    from: "Elasticsearch",
    line: `curl --head "localhost:9200/my-index-000001/_doc/0?pretty"`,
    answers: [
      { status: "404 Not Found", headers: ["Content-Type: application/json"] },
    ],
  },
  {
    from: "Elasticsearch",
    line: `curl -X DELETE "localhost:9200/my-index-000001,my-index-000002?pretty"`,
  },
  {
    from: "Elasticsearch",
    line: `curl --cacert http_ca.crt -u elastic:$ELASTIC_PASSWORD https://localhost:9200`,
    files: { "http_ca.crt": testFile("../certs/ca.pem") },
    env: { ELASTIC_PASSWORD: "s3cr3t" },
  },
  {
    from: "Elasticsearch",
    line:
      `curl -H "Authorization: ApiKey VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==" http://localhost:9200/_cluster/health`,
  },
  // curl
  {
    from: "curl",
    line: `curl "http://{one,two}.example.com" -o "file_#1.txt"`,
    answers: [{ body: "1" }, { body: "2" }],
  },
  {
    from: "curl",
    line: `curl "http://{site,host}.host[1-5].com" -o "#1_#2"`,
    answers: Array.from({ length: 10 }, (_, index) => ({ body: `${index}\n` })),
  },
  {
    from: "curl",
    line: `curl -o aa example.com -o bb example.net`,
    answers: [{ body: "a" }, { body: "" }],
  },
  { from: "curl", line: `curl --create-dirs --output local/dir/file https://example.com` },
  {
    from: "curl",
    line: `curl -F "file=@\\"local,file\\";filename=\\"name;in;post\\"" example.com`,
    files: { "local,file": "commas" },
  },
  {
    from: "curl",
    line: `curl --fail-with-body https://example.com`,
    answers: [{ status: "503 Service Unavailable", body: "later" }],
  },
  {
    from: "curl",
    line: `curl -w '%{http_code}\\n' https://example.com`,
    answers: [{ status: "418 Teapot", body: "short and stout" }],
  },
  {
    from: "curl",
    line: `curl --max-redirs 3 --location https://example.com`,
    answers: [{ status: "302 Found", headers: ["Location: /again"], body: "over there" }],
  },
  {
    from: "curl",
    line: `curl -OJ https://example.com/file`,
    answers: [{
      headers: ['Content-Disposition: attachment; filename="dir/named by server.txt"'],
      body: "named",
    }],
  },
  {
    from: "curl",
    line: `curl --anyauth --user me:pwd https://example.com`,
    answers: [
      {
        status: "401 Unauthorized",
        headers: ['WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'],
      },
      { body: "welcome" },
    ],
  },
];
