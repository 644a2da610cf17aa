use super::*;

fn nothing(_: &str) -> Option<String> {
    None
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("external.toml");
    std::fs::write(&path, text).expect("it is new");
    (folder, path)
}

#[test]
fn a_file_gives_servers_and_leaves_secrets_to_variables() {
    let (folder, path) = file(
        r#"
        [mongodb]
        uri = { env = "SHOP_URI" }

        [kafka]
        bootstrap = "kafka.example:9094"
        security_protocol = "SASL_SSL"
        sasl_mechanism = "SCRAM-SHA-512"
        sasl_username = "torn"
        sasl_password = { env = "SHOP_PASSWORD" }
        ca_location = "ca.pem"
        listeners = [{ listen = "127.0.0.1:29101", upstream = "127.0.0.1:19101" }]
        "#,
    );
    std::fs::write(folder.path().join("ca.pem"), "").expect("it is new");
    let variables = |name: &str| match name {
        "SHOP_URI" => Some("mongodb://torn:hunter2@db.example/?tls=true".to_owned()),
        "SHOP_PASSWORD" => Some("hunter3".to_owned()),
        _ => None,
    };
    let given = Given::read(Some(&path), &variables).expect("it can be used");
    let kafka = given.kafka.as_ref().expect("it is given");
    let told = kafka.variables();
    let told = |name: &str| told.iter().find(|(other, _)| other == name).map(|(_, value)| value.reveal().to_owned());
    assert_eq!(told("KAFKA_SASL_PASSWORD").as_deref(), Some("hunter3"));
    let ca = folder.path().join("ca.pem").display().to_string();
    assert_eq!(told("KAFKA_CA_LOCATION"), Some(ca), "wherever a service starts");
    let settings = kafka.client_settings();
    assert!(settings.iter().any(|(key, value)| key == "sasl.mechanism" && value.reveal() == "SCRAM-SHA-512"));
    assert_eq!(kafka.listeners[0].upstream.port(), 19101);
    let shown = format!("{given:?}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn variables_alone_are_enough_and_none_at_all_are_told_with_both_ways() {
    let variables = |name: &str| match name {
        "TORN_MONGODB_URI" => Some("mongodb://127.0.0.1:27017/?directConnection=true".to_owned()),
        "TORN_KAFKA_BOOTSTRAP_SERVERS" => Some("127.0.0.1:9092".to_owned()),
        "TORN_KAFKA_SECURITY_PROTOCOL" => Some("SASL_PLAINTEXT".to_owned()),
        "TORN_KAFKA_SASL_MECHANISM" => Some("PLAIN".to_owned()),
        "TORN_KAFKA_SASL_USERNAME" => Some("torn".to_owned()),
        "TORN_KAFKA_SASL_PASSWORD" => Some("hunter2".to_owned()),
        _ => None,
    };
    let given = Given::read(None, &variables).expect("they can be used");
    assert!(given.mongodb.expect("it is given").is_direct());
    assert!(!given.kafka.expect("it is given").is_plain());
    let said = Given::read(None, &nothing).expect_err("nothing is given").to_string();
    assert!(said.contains("--external FILE") && said.contains("TORN_MONGODB_URI"), "{said}");
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_place_and_never_with_the_line_itself() {
    for (text, expected) in [
        ("[kafka]\nbootstrap = \"a:1\"\nsasl_password = \"hunter2", ":3"),
        ("[mongodb]\nuri = [\"hunter2\"]", ":2"),
        ("[mongodb]\nuri = \"mongodb://a\"\npassword = \"hunter2\"", ":3"),
        ("[kafka]\nbootstrap = \"a:1\"\nsasl_pasword = \"hunter2\"", "kafka.sasl_pasword"),
        ("[kafka]\nbootstrap = \"a:1\"\nsasl_password = \"hunter2\"", "sasl_password"),
        ("[kafka]\nbootstrap = \"a:1\"\nsecurity_protocol = \"SASL_SSL\"", "sasl_mechanism"),
        ("[kafka]\nbootstrap = \"a:1\"\nsecurity_protocol = \"TLS\"", "expected one of PLAINTEXT, SSL"),
        ("[kafka]\nbootstrap = \"a:1\"\nca_location = \"no/such.pem\"", "there is no file"),
        ("[mongodb]\nuri = \"mongodb://torn:hunter2@a/?tls=true&tlsCAFile=ca.pem\"", "must be an absolute path"),
        ("[mongodb]\nuri = \"mongodb://torn:hunter2@a/?tlsCAFile=/no/such.pem\"", "names no file that is there"),
        ("[mongodb]\nuri = { env = \"NO_SUCH\" }", "the variable NO_SUCH is not set"),
        ("[kafka]\nbootstrap = \"a:1\"\nlisteners = [{ listen = \"here\", upstream = \"1.1.1.1:1\" }]", ":3"),
    ] {
        let (_folder, path) = file(text);
        let said = Given::read(Some(&path), &nothing).expect_err(text).to_string();
        assert!(said.contains(expected), "{text}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn the_file_for_docker_compose_names_the_spare_listeners_that_its_kafka_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let given = Given::read(Some(&root.join("docker-compose.external.toml")), &nothing).expect("it can be used");
    let compose = std::fs::read_to_string(root.join("docker-compose.yml")).expect("it is there");
    assert!(given.mongodb.expect("it is given").is_direct(), "its set knows it by an address that is right inside");
    let kafka = given.kafka.expect("it is given");
    assert!(compose.contains(&format!("{}:9092", kafka.bootstrap.replace("9092", "${TORN_KAFKA_PORT:-9092}"))));
    assert_eq!(kafka.listeners.len(), 8);
    for (number, link) in (1..).zip(&kafka.listeners) {
        let (listen, inside) = (link.listen, link.upstream.port());
        for expected in [
            format!("SPARE{number}://:{inside}"),
            format!("SPARE{number}://{listen}"),
            format!("SPARE{number}:PLAINTEXT"),
        ] {
            assert_eq!(compose.matches(&expected).count(), 1, "{expected}");
        }
    }
    let (first, last) = (kafka.listeners[0].upstream, kafka.listeners[7].upstream.port());
    assert!(compose.contains(&format!("\"{first}-{last}:{}-{last}\"", first.port())), "they are published");
}
