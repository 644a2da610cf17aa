//! A workload that depends on nothing: no server is started, and `torn run` measures a service as it is.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::torn::Desk;

const SERVICE: &str = r#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *arguments):
        pass
host, port = os.environ["LISTEN_ADDR"].split(":")
http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
"#;

const SCENARIO: &str = r#"
workload = "manifest.toml"

[load]
rate = 50
duration = "2s"
warm_up = "200ms"

[thresholds]
"latency.p99" = "<5s"

[[variant]]
name = "as it is"
"#;

/// A desk where nothing of the stack can be found.
fn desk(process: &str) -> Desk {
    let mut desk = Desk::bare();
    desk.set("TORN_CACHE", desk.path("no-stack"));
    desk.write("service.py", SERVICE);
    desk.write("scenario.toml", SCENARIO);
    let operation = "[operation.look]\nmethod = \"GET\"\npath = \"/things\"\nok = [200]\n";
    desk.write("manifest.toml", &format!("name = \"plain\"\nsettle_after = \"1s\"\n\n{process}\n\n{operation}"));
    desk
}

fn assert_measured(desk: &Desk) {
    let ended = desk.torn(&["run", "scenario.toml", "--format", "json", "--no-progress"]).with_code(0);
    let objects = ended.objects();
    assert_eq!((objects.len(), &objects[0]["verdict"]), (1, &Value::from("valid")), "{ended}");
    let run = desk.run();
    let operations = run.judgement().operations;
    assert_eq!((operations.ok, operations.fail, operations.info), (110, 0, 0), "2.2 s at 50 a second: {ended}");
    let started = run.lines().into_iter().filter(|line| line.contains("\"started\"") && line.contains("\"process\""));
    assert!(!started.into_iter().any(|line| line.contains("toxiproxy") || line.contains("mongodb")), "{ended}");
    assert!(run.path.join("latency.hlog").is_file(), "latencies are stored");
    assert!(!desk.path("no-stack").exists(), "nothing was installed");
}

#[test]
fn a_service_without_dependencies_is_loaded_without_any_server() {
    assert_measured(&desk("[process.web]\ncommand = [\"python3\", \"service.py\"]"));
}

#[test]
fn a_service_that_runs_elsewhere_is_loaded_where_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    // Ends with the test program: it owns nothing but its connections.
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || answer(connection));
        }
    });
    assert_measured(&desk(&format!("[process.web]\nurl = \"http://{address}/base\"\nready_path = \"/ready\"")));
}

/// Answers every request on a connection, if it is for the base path.
fn answer(mut connection: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(connection.try_clone().ok()?).lines();
    loop {
        let request = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let status = if request.contains(" /base/") { "200 OK" } else { "404 Not Found" };
        write!(connection, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}
