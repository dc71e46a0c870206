/**
 * More curl lines: examples of curl's own manual, and lines of ours that try what fingers are used to. They
 * run as those of `curl_lines.ts`.
 *
 * @module
 */
import { gzipSync } from "node:zlib";
import { latin1 } from "../support/raw_server.ts";
import type { CurlLine, StandInAnswer } from "./curl_lines.ts";

/** Files that are there before a line runs. */
const files: Readonly<Record<string, string>> = {
  "cookiefile": "# Netscape HTTP Cookie File\n\n.example.com\tTRUE\t/\tFALSE\t0\tkept\tone\n",
  "config":
    '# a comment\nurl = "https://example.com/from-config"\nheader = "X-First: \\"quoted\\""\n-d a=1\nget\n',
  "file": "a file & more",
  "fileonly": "only this",
  "file1": "the first of two",
  "file2": "the second of two",
  "filename": "one=1\r\n&two=2\n",
  "headers.txt": "X-First: one\nX-Second: two\n",
  "hugefile.txt": "It was a dark night.\nAnd then?\n",
  "index.html": "<title>a page</title>\n",
  "local,file": "a comma",
  "localfile": "a local file",
  "netrc":
    "machine other.example login else password where\nmachine example.com login me password mine\n",
  "prepared": '{\n  "is": "prepared"\n}\n',
};

const there: StandInAnswer = { headers: ["Content-Type: application/json"], body: '{"there":1}\n' };

const moved = (
  status: string,
  location: string,
  ...headers: string[]
): readonly StandInAnswer[] => [
  { status, headers: [`Location: ${location}`, ...headers] },
  there,
];

/** What is answered to a line with this path in it. */
const answers: Readonly<Record<string, readonly StandInAnswer[]>> = {
  "/digest": [
    {
      status: "401 Unauthorized",
      headers: [
        'WWW-Authenticate: Digest realm="here", nonce="abc", qop="auth", algorithm=SHA-256',
      ],
      body: "who is there?\n",
    },
    there,
  ],
  "/gone": [{ status: "410 Gone", body: "it was here\n" }, there],
  "/around": [{ status: "302 Found", headers: ["Location: /around"], body: "on\n" }],
  "/large": [{ body: "large ".repeat(20_000) }],
  "/coded": [{ headers: ["Content-Encoding: gzip"], body: latin1(gzipSync("what was coded\n")) }],
  "/moved": moved("301 Moved Permanently", "/there"),
  "/see": moved("303 See Other", "/there"),
  "/same": moved("307 Temporary Redirect", "/there"),
  "/elsewhere": moved("302 Found", "https://other.example/"),
  "/cookies": moved("302 Found", "/there", "Set-Cookie: kept=2; Path=/; Max-Age=86400"),
  "/part": [
    { status: "206 Partial Content", headers: ["Content-Range: bytes 2-5/10"], body: "2345" },
  ],
  "/attached": [
    {
      headers: ['Content-Disposition: attachment; filename="../its own name.txt"'],
      body: "attached\n",
    },
  ],
  "/unchanged": [{ status: "304 Not Modified" }],
};

/** Lines with which ours does something else, and why. */
const otherwise: Readonly<Record<string, string>> = {
  "curl --max-filesize 100K https://example.com/large":
    "curl stops before the last line of the head",
  "curl --compressed https://example.com/coded": "the head is that of what is written",
  "curl 'https://example.com/{a' ": "curl makes no file of heads where nothing is asked",
  "curl --netrc-file netrc https://you@example.com/":
    "curl joins the name of the URL to the password of another",
  "curl --netrc-file netrc -L https://example.com/elsewhere":
    "what a redirect leads to is told nothing of the file",
  "curl -X POST -d a=1 -L https://example.com/moved":
    "curl goes on with POST and without the data; a redirect makes GET of POST, also of a stated one",
  "curl -F 'a=1;b' -F 'b=\"q;r\";type=text/x' https://example.com/":
    "curl drops what stands behind a semicolon that it does not understand",
  "curl -w '%{header_json}' -o out https://example.com/there":
    "the same JSON with other white space",
};

const manual: readonly string[] = [
  'curl "http://{one,two}.example.com" -o "file_#1.txt"',
  'curl "http://{site,host}.host[1-5].com" -o "#1_#2"',
  'curl -g "https://example.com/{[]}}}}"',
  "curl --create-dirs --output local/dir/file https://example.com",
  'curl --output-dir "tmp" -O https://example.com',
  "curl -o aa example.com -o bb example.net",
  "curl --parallel https://example.com -o file1 https://example.com -o file2",
  "curl -# -O https://example.com",
  'curl --get -d "tool=curl" -d "age=old" https://example.com',
  'curl --get -I -d "tool=curl" https://example.com',
  "curl --data-urlencode name=val https://example.com",
  "curl --data-urlencode =encodethis https://example.com",
  "curl --data-urlencode name@file https://example.com",
  "curl --data-urlencode @fileonly https://example.com",
  'curl --data-raw "@at@at@" https://example.com',
  "curl -d @filename https://example.com",
  "curl --data-binary @filename https://example.com",
  "curl --url-query name=val https://example.com",
  'curl --url-query "+name=%20foo" https://example.com',
  'curl -F "file=@localfile;filename=nameinpost" example.com',
  `curl -F 'file=@"local,file";filename="name;in;post"' example.com`,
  'curl -F "name=daniel;type=text/foo" example.com',
  'curl -F "web=@index.html;type=text/html" example.com',
  'curl -F "story=<hugefile.txt" https://example.com/',
  "curl -H @headers.txt https://example.com",
  'curl -H "X-First-Name: Joe" https://example.com',
  'curl -H "User-Agent: yes-please/2000" https://example.com',
  `curl --json '{ "drink":' --json ' "coffe" }' https://example.com`,
  "curl --json @prepared https://example.com",
  "curl --range 22-44 https://example.com",
  "curl -C 400 https://example.com",
  'curl --referer "https://fake.example;auto" -L https://example.com',
  'curl --oauth2-bearer "mF_9.B5f-4.1JqM" https://example.com',
  "curl -u name:password --basic https://example.com",
  "curl -b cookiefile https://example.com",
  "curl --expect100-timeout 2.5 -T file https://example.com",
  'curl --upload-file "{file1,file2}" https://example.com',
  "curl --path-as-is https://example.com/../../etc/passwd",
  'curl --request-target "*" -X OPTIONS https://example.com',
  "curl --disallow-username-in-url https://example.com",
  "curl --fail-early https://example.com https://two.example",
  "curl --max-redirs 3 --location https://example.com",
  'curl --noproxy "www.example" https://example.com',
  "curl --no-keepalive https://example.com",
  "curl --limit-rate 100K https://example.com",
  "curl --retry-connrefused --retry 7 https://example.com",
  `curl -w '%{response_code}\\n' https://example.com`,
  "curl --url https://example.com",
  "curl --tlsv1.2 https://example.com",
];

const ours: readonly string[] = [
  "curl -u name:password --digest https://example.com/digest",
  "curl --fail https://example.com/gone",
  "curl --fail-with-body https://example.com/gone",
  "curl --max-redirs 3 --location https://example.com/around",
  "curl https://example.com/around",
  "curl --max-filesize 100K https://example.com/large",
  "curl --compressed https://example.com/coded",
  "curl --time-cond file https://example.com/unchanged",
  "curl --disallow-username-in-url https://me@example.com/",
  "curl -OJ https://example.com/attached",
  "curl -O https://example.com/folder/name.txt?query",
  "curl --remote-name-all https://example.com/one.txt https://example.com/two.txt",
  "curl --create-dirs --output-dir new/folder -o name https://example.com",
  `curl -w '%{http_code} %{size_download} %{content_type} %{url_effective} %header{server} %{num_redirects}\\n' -o out -L https://example.com/moved`,
  `curl -so /dev/null -w "%{http_code}" https://example.com/gone`,
  "curl https://example.com/[01-10:3]",
  "curl 'https://example.com/[a-e:2]' -o 'letter-#1'",
  "curl 'https://{example.com,example.net}/{one,two}-[8-10]' -o '#1-#2-#3'",
  "curl 'https://example.com/\\[x\\]'",
  "curl 'https://example.com/{a' ",
  "curl -K config",
  "curl --config config https://example.com/more",
  "curl --netrc-file netrc https://example.com/",
  "curl --netrc-file netrc https://you@example.com/",
  "curl --netrc-file netrc -u you:yours https://example.com/",
  "curl --netrc-file netrc -L https://example.com/elsewhere",
  "curl -u me:mine -L https://example.com/elsewhere",
  "curl https://me:m%40ine@example.com/",
  "curl -c /dev/null -L https://example.com/cookies",
  "curl -b 'a=1; b=2' -b c=3 https://example.com/",
  "curl -b cookiefile -b a=1 https://example.com/",
  "curl -d a=1 -L https://example.com/moved",
  "curl -d a=1 -L https://example.com/see",
  "curl -d a=1 -L https://example.com/same",
  "curl -X POST -d a=1 -L https://example.com/moved",
  "curl -I -L https://example.com/moved",
  "curl -i -L https://example.com/moved",
  "curl -sS -i -o out -L https://example.com/moved",
  "curl -X PUT -d @filename https://example.com/",
  "curl -d '' https://example.com/",
  "curl -d @/dev/null https://example.com/",
  "curl -H 'Accept:' -H 'X-First;' -H 'X-Second: a:b' https://example.com/",
  "curl -H 'content-type: text/x' -d a https://example.com/",
  "curl -A '' https://example.com/",
  "curl -A me/1 -H 'User-Agent: you/2' https://example.com/",
  "curl -e https://here.example/ https://example.com/",
  "curl -r 2-5 https://example.com/part",
  "curl -r -5 https://example.com/",
  "curl -G -d a=1 --data-urlencode 'b=& c' 'https://example.com/?z=0'",
  "curl -G --data-urlencode 'b@file' 'https://example.com/#top'",
  "curl --url-query a=1 --url-query b@file 'https://example.com/?z=0'",
  "curl -T file https://example.com/folder/",
  "curl -T file https://example.com/folder/other",
  "curl -F 'a=1;b' -F 'b=\"q;r\";type=text/x' https://example.com/",
  "curl --form-string 'a=@b;type=c' https://example.com/",
  "curl -o one -o two https://example.com/1 https://example.com/2 https://example.com/3",
  "curl -OO https://example.com/1.txt https://example.com/2.txt",
  "curl --no-clobber -o file1 https://example.com/",
  "curl -f --remove-on-error -o gone https://example.com/gone",
  "curl -f https://example.com/gone https://example.com/there",
  "curl -f --fail-early https://example.com/gone https://example.com/there",
  "curl https://example.com/there foo://nowhere/",
  "curl -w '%{method} %{num_connects} %{size_header} %{size_upload} %{exitcode} %{errormsg} %{filename_effective} %{urlnum} %{redirect_url} %{nothing} %% \\t|' -d ab -o out https://example.com/see https://example.com/there",
  "curl -w '%{stderr}lost%{stdout}kept' -o out https://example.com/",
  "curl -w '%{header_json}' -o out https://example.com/there",
  "curl -w @file https://example.com/",
  "curl -OJ https://example.com/plain.txt",
  "curl -R -o out https://example.com/",
  "curl --raw https://example.com/coded",
  "curl https://example.com/coded -o coded",
  "curl -sSfLo out https://example.com/moved",
  "curl -XPATCH -dab https://example.com/",
  "curl -L -X DELETE https://example.com/moved",
  "curl -vsS https://example.com/ https://example.com/",
  "curl https://EXAMPLE.com:443/a/../b/./c?d#e",
  "curl https://example.com?q=1",
  'curl "https://example.com/\\$HOME?a=\\"b\\""',
  "curl --url https://example.com/1 --url https://example.com/2",
  "curl $'https://example.com/a\\'b' -H $'X-First: tab\\there'",
];

/** The lines. */
export const curlHabits: readonly CurlLine[] = [
  ...manual.map((line) => habit("curl's manual", line)),
  ...ours.map((line) => habit("ours", line)),
];

function habit(from: CurlLine["from"], line: string): CurlLine {
  const path = Object.keys(answers).find((path) => line.includes(`example.com${path}`));
  return {
    from,
    line,
    files,
    answers: path === undefined ? undefined : answers[path],
    otherwise: otherwise[line],
  };
}
