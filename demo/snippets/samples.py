"""The snippets that ``manage.py seed`` puts in: a dozen, in as many languages."""

from typing import NamedTuple


class Sample(NamedTuple):
    """One snippet; ``by_demo`` says that it belongs to the demo user, else to nobody."""

    title: str
    language: str
    style: str
    by_demo: bool
    code: str


SAMPLES = [
    Sample("A client in ten lines", "python", "default", True, '''\
import json

from websockets.sync.client import connect

with connect("ws://127.0.0.1:8000/ws/") as socket:
    socket.send(json.dumps({"url": "/api/snippets/"}))
    answer = json.loads(socket.recv())
    print(answer["status"], "-", answer["data"]["count"], "snippets")
    for snippet in answer["data"]["results"]:
        print(snippet["language"], snippet["title"], sep="\\t")
'''),
    Sample("The same in a browser", "javascript", "monokai", True, '''\
const socket = new WebSocket(`ws://${location.host}/ws/`);
socket.onopen = () => socket.send(JSON.stringify({ url: "/api/stats/" }));
socket.onmessage = ({ data }) => {
  const { status, data: stats } = JSON.parse(data);
  console.log(status, `${stats.total} snippets in ${stats.languages.length} languages`);
};
'''),
    Sample("And by HTTP, to compare", "bash", "default", True, '''\
# The same view, the same answer, another transport.
base=http://127.0.0.1:8000

token=$(curl -s "$base/api/token/" -d username=demo -d password=demo |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["access"])')

curl -s "$base/api/snippets/" -H "Authorization: JWT $token" \\
  -d title="From a shell" -d language=bash --data-urlencode code='echo hello'
'''),
    Sample("One line and one import", "diff", "default", True, '''\
--- project/settings.py
+++ project/settings.py
 INSTALLED_APPS = [
+    "wsrequest",
     "django.contrib.admin",
--- project/asgi.py
+++ project/asgi.py
-from django.core.asgi import get_asgi_application
+from wsrequest.asgi import get_asgi_application
'''),
    Sample("Full jitter", "typescript", "github-dark", True, '''\
/** Milliseconds to wait before attempt n, so that a crowd does not return in one second. */
export function backoff(attempt: number, base = 250, cap = 15_000): number {
  return Math.random() * Math.min(cap, base * 2 ** attempt);
}
'''),
    Sample("Languages by use", "sql", "default", True, '''\
SELECT language,
       count(*)                               AS snippets,
       round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent
FROM snippets_snippet
GROUP BY language
ORDER BY snippets DESC, language;
'''),
    Sample("Words, most used first", "rust", "gruvbox-dark", False, '''\
use std::collections::HashMap;
use std::io::{self, Read};

fn main() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    for (word, count) in ranked.iter().take(10) {
        println!("{count:>6} {word}");
    }
    Ok(())
}
'''),
    Sample("A worker pool", "go", "default", False, '''\
package main

import (
	"fmt"
	"sync"
)

func main() {
	jobs := make(chan int)
	var workers sync.WaitGroup
	for worker := range 3 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for job := range jobs {
				fmt.Printf("worker %d: %d squared is %d\\n", worker, job, job*job)
			}
		}()
	}
	for job := range 9 {
		jobs <- job
	}
	close(jobs)
	workers.Wait()
}
'''),
    Sample("A card that follows the theme", "css", "default", False, '''\
:root {
  color-scheme: light dark;
}

.card {
  padding: 1rem 1.25rem;
  border: 1px solid color-mix(in srgb, currentColor 15%, transparent);
  border-radius: 0.75rem;
  background: light-dark(white, #16181d);
}
'''),
    Sample("A dialog without a script", "html", "default", False, '''\
<button type="button" popovertarget="about">About</button>

<div id="about" popover>
  <h2>Snippets</h2>
  <p>Escape closes this, and so does a click beside it.</p>
</div>
'''),
    Sample("Greatest common divisor", "c", "default", False, '''\
#include <stdio.h>

static unsigned gcd(unsigned a, unsigned b)
{
    while (b != 0) {
        unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int main(void)
{
    printf("%u\\n", gcd(1071, 462));
    return 0;
}
'''),
    Sample("Erase what is old, every night", "yaml", "default", False, '''\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: erase-old-snippets
spec:
  schedule: "30 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: erase
              image: snippets:latest
              command: ["python", "manage.py", "erase_old_snippets", "--days", "30"]
'''),
]  # fmt: skip
