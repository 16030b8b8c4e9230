//! References to secrets, and keys inside of them. The service itself is asked in `tests/secret_store.rs`.

use super::SecretId;
use super::client::of_key;

#[test]
fn references_are_read_and_written_alike() {
    let check = |text: &str, region: Option<&str>, key: Option<&str>| {
        let id: SecretId = text.parse().unwrap();
        assert_eq!((id.region.as_deref(), id.key.as_deref()), (region, key), "{text}");
        assert_eq!(id.to_string(), text);
    };
    check("shop/token", None, None);
    check("shop/token#api.key#2", None, Some("api.key#2"));
    check("a+b=c@d.e_f-g?region=eu-central-1&stage=AWSPREVIOUS#k", Some("eu-central-1"), Some("k"));
    check("x?version=0f0c", None, None);
    let arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:shop/token-AbCdEf";
    check(arn, Some("cn-north-1"), None);
    check(&format!("{arn}#k"), Some("cn-north-1"), Some("k"));
    assert_eq!(format!("{arn}?region=cn-north-1").parse(), arn.parse::<SecretId>());
}

#[test]
fn bad_references_say_which_part_and_never_what_it_holds() {
    let check = |text: &str, expected: &str| {
        let error = text.parse::<SecretId>().unwrap_err();
        assert!(error.starts_with(expected) && error.contains("; write aws-sm:NAME"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    };
    check("hunter2 x", "the aws-sm: reference names no secret");
    check("?region=x", "the aws-sm: reference names no secret");
    check("hunter2#", "no key follows the #");
    check("hunter2?regon=hunter2", "the aws-sm: reference has an option that is none of region, stage, version");
    check("hunter2?region", "the aws-sm: reference gives no region");
    check("hunter2?region=", "the aws-sm: reference gives no region");
    check("hunter2?region=a&region=b", "the aws-sm: reference gives region twice");
    check("hunter2?stage=a&version=b", "the aws-sm: reference gives a stage and a version");
    check("hunter2:x", "the aws-sm: reference has a colon in its name");
    check("arn:aws:s3:::hunter2", "the aws-sm: reference is an ARN of something else");
    check("arn:aws:secretsmanager:eu-west-1:1:hunter2:x", "the aws-sm: reference is an ARN of something else");
    check(
        "arn:aws:secretsmanager:eu-west-1:1:secret:hunter2?region=eu-west-2",
        "the aws-sm: reference is an ARN of eu-west-1, and says region=eu-west-2",
    );
}

#[test]
fn keys_of_json_secrets() {
    let json =
        br#"{"token": "hunter2 \u00e4", "port": 8080, "on": true, "share": 0.5, "more": {"a": "hunter2"}, "no": null}"#;
    let get = |key: &str| of_key(json, key).map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(get("token").unwrap(), "hunter2 ä");
    assert_eq!((get("port").unwrap(), get("on").unwrap()), ("8080".to_owned(), "true".to_owned()));
    for (key, expected) in [
        ("share", "its key `share` holds neither a text nor an integer"),
        ("more", "its key `more` holds neither"),
        ("no", "its key `no` holds neither"),
        ("other", "it has no key `other`, among 6 others"),
    ] {
        let why = get(key).unwrap_err().why;
        assert!(why.starts_with(expected) && !why.contains("hunter2"), "{why}");
    }
    for bad in [&b"hunter2"[..], b"\"hunter2\"", b"[1]", b"\xff", b""] {
        let why = of_key(bad, "k").unwrap_err().why;
        assert_eq!(why, "it has no key `k`: it is no JSON object");
    }
}
