//! Settings and the frame of the command line, through the binary.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The binary in a folder of its own, with no settings from outside.
fn sagate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sagate"));
    command.current_dir(folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.to_uppercase().starts_with("SAGATE__")) {
        command.env_remove(name);
    }
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn printed(command: &mut Command) -> Value {
    let output = command.args(["--json", "config", "print"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn entry<'a>(settings: &'a Value, key: &str) -> (&'a Value, &'a str) {
    (&settings[key]["value"], settings[key]["source"].as_str().unwrap())
}

#[test]
fn the_example_file_says_every_default() {
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("sagate.example.toml");
    let defaults = printed(&mut sagate(folder.path()));
    let with_file = printed(sagate(folder.path()).arg("--config").arg(&example));
    let defaults = defaults.as_object().unwrap();
    assert!(defaults.len() >= 14);
    for (key, entry) in defaults {
        assert_eq!(entry["value"], with_file[key]["value"], "{key}");
        if key != "output.format" {
            assert_eq!(entry["source"], "default");
            assert!(
                with_file[key]["source"]
                    .as_str()
                    .unwrap()
                    .contains("sagate.example.toml"),
                "{key} is not in it"
            );
        }
    }
    let check = sagate(folder.path())
        .args(["config", "check"])
        .arg(&example)
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", stderr(&check));
    assert!(
        stdout(&check).contains(&format!("sets {0} of {0} settings", defaults.len())),
        "{}",
        stdout(&check)
    );
}

/// The example file and the reference page are what the descriptions of the settings make.
#[test]
fn the_documents_are_those_of_the_descriptions() {
    let folder = tempfile::tempdir().unwrap();
    // They are printed where the settings are broken, too.
    std::fs::write(folder.path().join("sagate.toml"), "nonsense = 1").unwrap();
    for (what, path) in [
        ("example", "sagate.example.toml"),
        ("reference", "docs/reference/settings.md"),
    ] {
        let output = sagate(folder.path()).args(["config", what]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let committed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        assert!(
            stdout(&output) == committed,
            "{path} is not what the settings are: `sagate config {what} > {path}`"
        );
    }
}

/// Every flag that the documents name is one of the command line.
#[test]
fn every_flag_of_the_example_file_exists() {
    let folder = tempfile::tempdir().unwrap();
    let help = |command: &str| {
        let output = sagate(folder.path()).args([command, "--help"]).output().unwrap();
        stdout(&output)
    };
    let helps = help("serve") + &help("segment");
    let example = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("sagate.example.toml"));
    let example = example.unwrap();
    let flags: Vec<&str> = example
        .lines()
        .filter_map(|line| line.split_once("Flag: ")?.1.strip_suffix('.'))
        .collect();
    assert!(flags.len() > 10, "{flags:?}");
    for flag in flags {
        assert!(helps.split_whitespace().any(|word| word == flag), "{flag}");
    }
}

#[test]
fn flags_beat_the_environment_beats_the_file_beats_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "[gate]\ncoverage = 0.5\naccept_empty = true\n[device]\nthreads = 3\n[limits]\nmax_pixels = 1000\n";
    std::fs::write(folder.path().join("sagate.toml"), text).unwrap();
    let settings = printed(
        sagate(folder.path())
            .env("SAGATE__GATE__COVERAGE", "0.75")
            .env("SAGATE__GATE__ALLOWED_COVERAGE", "0.5,1")
            .env("SAGATE__DEVICE__THREADS", "2")
            .args(["--threads", "1", "--device", "cpu", "--model", "other@3"]),
    );
    let threads = entry(&settings, "device.threads");
    assert_eq!((threads.0.as_u64(), threads.1), (Some(1), "flag --threads"));
    let coverage = entry(&settings, "gate.coverage");
    assert_eq!(
        (coverage.0.as_f64(), coverage.1),
        (Some(0.75), "environment SAGATE__GATE__COVERAGE")
    );
    assert_eq!(
        entry(&settings, "gate.allowed_coverage").0,
        &serde_json::json!([0.5, 1.0])
    );
    let empty = entry(&settings, "gate.accept_empty");
    assert_eq!((empty.0.as_bool(), empty.1), (Some(true), "file sagate.toml"));
    assert_eq!(entry(&settings, "limits.max_pixels").0, 1000);
    assert_eq!(entry(&settings, "models.default").0, "other@3");
    assert_eq!(entry(&settings, "gate.accept_uncalibrated").1, "default");
}

#[test]
fn a_wrong_setting_names_its_key_its_place_and_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    for (text, says) in [
        (
            "[gate]\ncovrage = 0.5",
            ["`gate.covrage`", "mine.toml", "did you mean `gate.coverage`"],
        ),
        (
            "[gates]\ncoverage = 0.5",
            ["`gates.coverage`", "mine.toml", "`gate.coverage`"],
        ),
        ("coverage = 0.5", ["`coverage`", "mine.toml", "`gate.coverage`"]),
        (
            "[gate]\ncoverage = 1.5",
            ["`gate.coverage` is 1.5", "mine.toml", "from 0 to 1"],
        ),
        (
            "[gate]\ncoverage = true",
            ["`gate.coverage` is true", "mine.toml", "a number"],
        ),
        (
            "[gate]\ncoverage = nan",
            ["`gate.coverage` is", "mine.toml", "a number"],
        ),
        (
            "[gate]\naccept_empty = 1",
            ["`gate.accept_empty` is 1", "mine.toml", "true or false"],
        ),
        (
            "[gate]\nallowed_coverage = [0.9, 0.1]",
            ["`gate.allowed_coverage`", "mine.toml", "ascending"],
        ),
        (
            "[models]\ncontrol = \"polling\"",
            ["`models.control` is \"polling\"", "mine.toml", "\"explicit\""],
        ),
        (
            "[models]\ncontrol = \"explicit\"\nwatch_seconds = 5",
            [
                "`models.control` is \"explicit\"",
                "mine.toml",
                "watch_seconds = 0",
            ],
        ),
        (
            "[models]\nremoval_scans = 0",
            ["`models.removal_scans` is 0", "mine.toml", "from 1 to 1000"],
        ),
        (
            "[device]\nkind = \"gpu\"",
            ["`device.kind` is \"gpu\"", "mine.toml", "\"cuda\""],
        ),
        (
            "[device]\nthreads = -1",
            ["`device.threads` is -1", "mine.toml", "whole number"],
        ),
        (
            "[limits]\nmax_pixels = 0",
            ["`limits.max_pixels` is 0", "mine.toml", "at least 1"],
        ),
        (
            "[server]\nhttp = \"8000\"",
            ["`server.http` is \"8000\"", "mine.toml", "\"127.0.0.1:8000\""],
        ),
        (
            "[server]\nhttp = 8000",
            ["`server.http` is 8000", "mine.toml", "\"\" (off)"],
        ),
        (
            "[server]\ncors_origins = [\"*\"]",
            ["`server.cors_origins`", "mine.toml", "without a path"],
        ),
        (
            "[server]\ncors_origins = [\"https://viewer.example/\"]",
            ["`server.cors_origins`", "mine.toml", "without a path"],
        ),
        (
            "[server]\ncors_origins = [\"https://\"]",
            ["`server.cors_origins`", "mine.toml", "https://viewer.example"],
        ),
        (
            "[server]\nmax_images = 0",
            ["`server.max_images` is 0", "mine.toml", "from 1 to 1024"],
        ),
        (
            "[server]\nmax_header_bytes = 100",
            ["`server.max_header_bytes` is 100", "mine.toml", "from 1024"],
        ),
        (
            "[server]\nkeepalive_timeout_seconds = 0",
            [
                "`server.keepalive_timeout_seconds` is 0",
                "mine.toml",
                "from 1 to 86400",
            ],
        ),
        (
            "[log]\nlevel = \"loud\"",
            ["`log.level` is \"loud\"", "mine.toml", "\"debug\""],
        ),
        ("[gate]\ncoverage = \n", ["mine.toml", "line 2", "coverage"]),
    ] {
        std::fs::write(&file, text).unwrap();
        for way in [
            ["config", "check", "mine.toml"].as_slice(),
            &["--config", "mine.toml", "version"],
        ] {
            let output = sagate(folder.path()).args(way).output().unwrap();
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{text}: {message}");
            assert!(
                says.iter().all(|part| message.contains(part)),
                "{text}: {message}"
            );
            assert_eq!(stdout(&output), "");
        }
    }
    let output = sagate(folder.path())
        .env("SAGATE__DEVICE__KIDN", "cpu")
        .arg("version")
        .output()
        .unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        message.contains("environment SAGATE__DEVICE__KIDN") && message.contains("`device.kind`"),
        "{message}"
    );
    let output = sagate(folder.path())
        .args(["--config", "nowhere.toml", "version"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nowhere.toml"));
}

/// Every setting that is a list takes the same forms from a variable: a JSON array, a TOML array, values with commas between.
#[test]
fn a_list_in_a_variable_is_an_array_or_has_commas() {
    let folder = tempfile::tempdir().unwrap();
    for (name, key, forms, value) in [
        (
            "AUTH__ANONYMOUS",
            "auth.anonymous",
            [r#"["infer", "review"]"#, "['infer', 'review',]", "infer, review"],
            serde_json::json!(["infer", "review"]),
        ),
        (
            "AUTH__CERTIFICATES",
            "auth.certificates",
            [
                r#"["Reading Room 3 infer", "lab.example infer"]"#,
                "['Reading Room 3 infer', 'lab.example infer']",
                "Reading Room 3 infer,lab.example infer",
            ],
            serde_json::json!(["Reading Room 3 infer", "lab.example infer"]),
        ),
        (
            "SERVER__CORS_ORIGINS",
            "server.cors_origins",
            [
                r#"["https://viewer.example","http://127.0.0.1:3000"]"#,
                "['https://viewer.example', 'http://127.0.0.1:3000']",
                "https://viewer.example,http://127.0.0.1:3000",
            ],
            serde_json::json!(["https://viewer.example", "http://127.0.0.1:3000"]),
        ),
        (
            "SERVER__TRUSTED_PROXIES",
            "server.trusted_proxies",
            [
                r#"["10.0.0.0/8", "2001:db8::1"]"#,
                "['10.0.0.0/8', '2001:db8::1']",
                "10.0.0.0/8, 2001:db8::1",
            ],
            serde_json::json!(["10.0.0.0/8", "2001:db8::1/128"]),
        ),
        (
            "ENGINE__WARM_UP_SIDES",
            "engine.warm_up_sides",
            ["[64, 128]", "[64, 128,]", "64,128"],
            serde_json::json!([64, 128]),
        ),
        (
            "ENGINE__PREFERRED_BATCHES",
            "engine.preferred_batches",
            ["[2, 4]", "[ 2, 4, ]", " 2, 4 "],
            serde_json::json!([2, 4]),
        ),
        (
            "GATE__ALLOWED_COVERAGE",
            "gate.allowed_coverage",
            ["[0.25, 1]", "[0.25, 1.0,]", "0.25,1"],
            serde_json::json!([0.25, 1.0]),
        ),
        (
            "SERVING__T1-BRAIN__VERSIONS",
            "serving.t1-brain.versions",
            ["[1, 3]", "[1, 3,]", "1,3"],
            serde_json::json!([1, 3]),
        ),
    ] {
        for form in forms {
            let settings = printed(sagate(folder.path()).env(format!("SAGATE__{name}"), form));
            let (found, source) = entry(&settings, key);
            assert_eq!(found, &value, "{name}={form}");
            assert_eq!(source, format!("environment SAGATE__{name}"));
        }
    }
    for empty in ["[]", "", " [ ] "] {
        let settings = printed(sagate(folder.path()).env("SAGATE__AUTH__ANONYMOUS", empty));
        assert_eq!(
            entry(&settings, "auth.anonymous").0,
            &serde_json::json!([]),
            "{empty:?}"
        );
    }
}

/// What `sagate version` says where a variable is wrong.
fn refused(folder: &Path, name: &str, value: &str) -> String {
    let output = sagate(folder).env(name, value).arg("version").output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(2),
        "{name}={value}: {}",
        stderr(&output)
    );
    stderr(&output)
}

#[test]
fn a_wrong_list_or_map_in_a_variable_says_which_and_how_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, words) in [
        (
            "AUTH__ANONYMOUS",
            r#"["infr"]"#,
            vec![
                "`auth.anonymous`",
                "JSON array",
                "commas between",
                "infer, interpret, review, admin",
            ],
        ),
        (
            "AUTH__ANONYMOUS",
            r#"["infer""#,
            vec!["`auth.anonymous`", "JSON array"],
        ),
        (
            "AUTH__ANONYMOUS",
            "infer;review",
            vec!["`auth.anonymous`", "commas between"],
        ),
        (
            "AUTH__ANONYMOUS",
            r#"{"roles": ["infer"]}"#,
            vec!["`auth.anonymous`", "JSON array"],
        ),
        (
            "AUTH__ANONYMOUS",
            "[[\"infer\"]]",
            vec!["`auth.anonymous`", "JSON array"],
        ),
        (
            "AUTH__CERTIFICATES",
            "viewer infer;lab infer",
            vec!["`auth.certificates`", "NAME ROLE", "commas between"],
        ),
        (
            "ENGINE__WARM_UP_SIDES",
            "[64]\nlist = [1]",
            vec!["`engine.warm_up_sides`", "like [256, 512]"],
        ),
        (
            "ENGINE__WARM_UP_SIDES",
            "[8]",
            vec!["`engine.warm_up_sides`", "JSON array"],
        ),
        (
            "SERVER__TRUSTED_PROXIES",
            "10.0.0.0/33",
            vec!["`server.trusted_proxies`", "10.0.0.0/8", "JSON array"],
        ),
        (
            "SERVING__A__VERSIONS",
            "[0]",
            vec!["`serving.a.versions`", "\"latest\"", "JSON array"],
        ),
        // A map, or one value, where a section is.
        (
            "SERVER",
            r#"{"listen": "127.0.0.1:1"}"#,
            vec!["`server`", "is a section", "SAGATE__SERVER__LISTEN"],
        ),
        (
            "SERVING",
            r#"{"a": {"weight": 2}}"#,
            vec!["`serving`", "is a section", "SAGATE__SERVING__NAME__WEIGHT"],
        ),
        (
            "SERVING__A",
            "2",
            vec!["`serving.a`", "is a section", "SAGATE__SERVING__A__WEIGHT"],
        ),
        // A section where one value is.
        (
            "GATE__COVERAGE__LOW",
            "1",
            vec!["`gate.coverage`", "holds `low`", "from 0 to 1"],
        ),
    ] {
        let name = format!("SAGATE__{name}");
        let message = refused(folder.path(), &name, value);
        for word in words {
            assert!(
                message.contains(word),
                "{name}={value}: `{message}` lacks `{word}`"
            );
        }
        assert!(message.contains("SAGATE__"), "{message}");
    }
}

/// Words that other programs use are answered with the setting that means the same, not with one that is spelt alike.
#[test]
fn a_wrong_key_is_answered_with_the_one_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    for (key, meant) in [
        ("server.port", "server.listen"),
        ("server.host", "server.listen"),
        ("server.address", "server.listen"),
        ("port", "server.listen"),
        ("metrics.port", "server.admin"),
        ("server.metrics_port", "server.admin"),
        ("http.port", "server.http"),
        ("server.workers", "engine.instances"),
        ("engine.num_workers", "engine.instances"),
        ("server.threads", "device.threads"),
        ("server.log_level", "log.level"),
        ("logging.level", "log.level"),
        ("model_path", "models.dir"),
        ("models.path", "models.dir"),
        ("default_model", "models.default"),
        ("tls.cert_file", "tls.cert"),
        ("tls.certificate", "tls.cert"),
        ("tls.private_key", "tls.key"),
        ("server.ssl_keyfile", "tls.key"),
        ("server.tls_cert", "tls.cert"),
        ("client.certificate", "client.cert"),
        ("client.private-key", "client.key"),
        ("tls.ca_file", "tls.client_ca"),
        ("batching.max_batch_size", "engine.max_batch"),
        ("server.max_message_size", "server.max_message_bytes"),
        ("telemetry.otlp_endpoint", "telemetry.otlp"),
        ("telemetry.endpoint", "telemetry.otlp"),
        ("rate.rps", "rate.per_second"),
        ("audit.path", "audit.file"),
        ("device.gpu", "device.kind"),
        // Another section, and letters that are wrong, missing or swapped.
        ("server.coverage", "gate.coverage"),
        ("gate.covreage", "gate.coverage"),
        ("engine.instance", "engine.instances"),
        ("serving.t1-brain.wieght", "serving.t1-brain.weight"),
    ] {
        std::fs::write(&file, format!("{key} = 1\n")).unwrap();
        let output = sagate(folder.path())
            .args(["config", "check", "mine.toml"])
            .output()
            .unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{key}: {message}");
        let hint = format!("unknown setting `{key}` (file mine.toml); did you mean `{meant}`, ");
        assert!(message.contains(&hint), "{key}: {message}");
    }
    let message = refused(folder.path(), "SAGATE__SERVER__PORT", "50051");
    assert!(
        message.contains("`server.listen` (SAGATE__SERVER__LISTEN)"),
        "{message}"
    );
    // Where nothing is near, nothing is made up.
    let message = refused(folder.path(), "SAGATE__QWERTYUIOP", "1");
    assert!(
        message.contains("sagate config print") && !message.contains("did you mean"),
        "{message}"
    );
}

#[test]
fn a_settings_file_may_begin_with_a_byte_order_mark() {
    let folder = tempfile::tempdir().unwrap();
    let text = "\u{feff}[server]\r\nmax_images = 3\r\n";
    std::fs::write(folder.path().join("sagate.toml"), text).unwrap();
    let settings = printed(&mut sagate(folder.path()));
    assert_eq!(entry(&settings, "server.max_images").0, 3);
}

#[test]
fn help_documents_the_exit_codes_and_usage_errors_have_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let help = sagate(folder.path()).arg("--help").output().unwrap();
    assert!(help.status.success());
    for line in [
        "0  done; every image was accepted",
        "3  done; at least one image was rejected",
        "4  some inputs",
    ] {
        assert!(stdout(&help).contains(line), "{}", stdout(&help));
    }
    for arguments in [
        &["frobnicate"][..],
        &["--device", "gpu", "version"],
        &["version", "--bogus"],
        &[],
    ] {
        let output = sagate(folder.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty());
    }
}

#[test]
fn version_tells_what_it_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let output = sagate(folder.path())
        .args(["--json", "--device", "cpu", "--threads", "1", "version"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let version: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["device"], "cpu");
    assert_eq!(version["threads"], 1);
    assert!(
        version["libtorch"].as_str().unwrap().starts_with('2'),
        "{version}"
    );
}

#[test]
fn completions_and_man_pages_cover_every_command() {
    let folder = tempfile::tempdir().unwrap();
    // They work where the settings are broken, too.
    std::fs::write(folder.path().join("sagate.toml"), "nonsense = 1").unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = sagate(folder.path())
            .args(["completions", shell])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains("completions"), "{shell}");
    }
    let output = sagate(folder.path())
        .args(["man", "--out", "pages"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for page in [
        "sagate.1",
        "sagate-config.1",
        "sagate-config-check.1",
        "sagate-config-example.1",
        "sagate-config-reference.1",
        "sagate-model.1",
        "sagate-version.1",
    ] {
        let text = std::fs::read_to_string(folder.path().join("pages").join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
    let main = sagate(folder.path()).arg("man").output().unwrap();
    assert!(stdout(&main).contains("Exit codes"));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["completions", "zsh"][..],
        &["config", "print"],
        &["config", "reference"],
        &["man"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = sagate(folder.path())
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        assert_eq!(stderr(&output), "", "{arguments:?}");
        assert!(
            matches!(output.status.code(), Some(0 | 141)),
            "{arguments:?}: {:?}",
            output.status
        );
    }
}

#[test]
fn logs_are_json_where_nobody_watches() {
    let folder = tempfile::tempdir().unwrap();
    let output = sagate(folder.path())
        .args(["--log", "info", "--device", "auto", "version"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for line in stderr(&output).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(
            event["level"].is_string() && event["timestamp"].is_string(),
            "{line}"
        );
    }
    let quiet = sagate(folder.path())
        .args(["--log", "off", "version"])
        .output()
        .unwrap();
    assert_eq!(stderr(&quiet), "");
}

/// A port that others can reach is not opened in the clear by mistake; whoever means it says so.
#[test]
fn ports_beyond_this_machine_need_tls_or_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        std::fs::write(folder.path().join("mine.toml"), text).unwrap();
        let output = sagate(folder.path())
            .args(["config", "check", "mine.toml"])
            .output()
            .unwrap();
        (output.status.code(), stderr(&output))
    };
    for (flag, key, right) in [
        ("--listen", "server.listen", "tls.cert"),
        ("--admin", "server.admin", "tls.admin = true"),
    ] {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051"] {
            let output = sagate(folder.path())
                .args(["serve", flag, address])
                .output()
                .unwrap();
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{message}");
            for word in [key, address, right, "127.0.0.1", "--insecure"] {
                assert!(message.contains(word), "`{message}` lacks `{word}`");
            }
        }
    }
    let open = "listen = \"0.0.0.0:50051\"";
    assert_eq!(check(&format!("[server]\n{open}")).0, Some(2));
    assert_eq!(check(&format!("[server]\n{open}\ninsecure = true")).0, Some(0));
    assert_eq!(
        check(&format!("[server]\n{open}\n[tls]\ncert = \"a\"\nkey = \"b\"")).0,
        Some(0)
    );
    // Of both ports each needs its own.
    let (code, message) = check(&format!(
        "[server]\n{open}\nadmin = \"0.0.0.0:9464\"\n[tls]\ncert = \"a\"\nkey = \"b\""
    ));
    assert!(code == Some(2) && message.contains("server.admin"), "{message}");
    // This machine under another name.
    assert_eq!(
        check("[server]\nlisten = \"[::1]:0\"\nadmin = \"[::ffff:127.0.0.1]:0\"").0,
        Some(0)
    );
}
