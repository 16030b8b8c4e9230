use super::*;

#[test]
fn targets() {
    let check = |given: &str, expected: &str| {
        let got = Target::parse(given).map_or_else(|error| error.to_string(), |target| target.authority);
        assert!(got.contains(expected), "{given}: {got}");
    };
    check("http://127.0.0.1:8080", "127.0.0.1:8080");
    check("http://127.0.0.1", "127.0.0.1");
    check("http://[::1]:9/", "[::1]:9");
    check("https://shop.test", "shop.test");
    check("https://shop.test:80", "shop.test:80");
    check("unix:/run/shop.sock", "localhost");
    check("unix:run/shop.sock", "begins with /");
    check(&format!("unix:/{}", "x".repeat(107)), "107 bytes");
    check("ftp://127.0.0.1", "no scheme");
    check("127.0.0.1:80", "not http://HOST");
    check("http://127.0.0.1:0", "port 0");
    check("http://a:b@127.0.0.1", "credentials");
    check("http://127.0.0.1/x", "paths come from the recording");
    assert_eq!(Target::parse("http://h:443").unwrap().authority, "h:443");
    assert_eq!(Target::parse("https://h:443").unwrap().authority, "h");
    assert!(Target::parse("https://h").unwrap().tls);
}

/// A target of that name with these addresses.
fn target(given: &str, addresses: &str) -> Target {
    let target = Target::parse(given).unwrap();
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let overridden: Override = format!("{host}:{}:{addresses}", target.port).parse().unwrap();
    target.look_up(&[overridden]).unwrap()
}

#[test]
fn overrides() {
    let check = |text: &str, expected: &str| {
        let got = text.parse::<Override>().map_or_else(|error| error.to_string(), |one| format!("{one:?}"));
        assert!(got.contains(expected), "{text}: {got}");
    };
    check("shop.test:80:127.0.0.1", "[127.0.0.1:80]");
    check("shop.test:80:[::1]", "[[::1]:80]");
    check("shop.test:80:::1", "[[::1]:80]");
    check("[::2]:80:10.0.0.1,[::1]", "[10.0.0.1:80, [::1]:80]");
    check("shop.test:x:1.2.3.4", "`x` is no port");
    check("shop.test:80", "no address");
    check("shop.test:80:", "`` is no IP address");
    check("shop.test:80:1.2.3.4,other.test", "`other.test` is no IP address");
    check("shop.test", "no port");
    check(":80:1.2.3.4", "no host");
    check("*:80:1.2.3.4", "not supported");
    check("-shop.test:80", "not supported");
    assert_eq!(target("http://shop.test", "127.0.0.9,127.0.0.8").addresses().len(), 2);
}

#[test]
fn only_loopback_and_what_is_named_is_allowed() {
    let check = |given: &str, addresses: &str, allow: &[&str], expected: bool| {
        let allow: Vec<String> = allow.iter().map(|entry| (*entry).to_owned()).collect();
        assert_eq!(target(given, addresses).check_allowed(&allow).is_ok(), expected, "{given} {addresses} {allow:?}");
    };
    check("http://localhost", "127.0.0.9", &[], true);
    check("http://[::1]", "::1", &[], true);
    check("http://staging", "10.0.0.1", &[], false);
    check("http://staging", "127.0.0.1,10.0.0.1", &[], false);
    check("http://staging", "::ffff:10.0.0.1", &[], false);
    check("http://staging", "10.0.0.1", &["Staging"], true);
    check("http://staging", "10.0.0.1", &["staging:80"], true);
    check("http://staging", "10.0.0.1", &["staging:81", "other"], false);
    check("https://staging", "10.0.0.1", &["staging:443"], true);
    check("http://10.0.0.1", "10.0.0.1", &["10.0.0.1"], true);
    assert!(Target::parse("unix:/run/shop.sock").unwrap().check_allowed(&[]).is_ok());
}

#[test]
fn through_a_proxy_names_must_be_allowed() {
    let check = |given: &str, proxy: &str, allow: &[&str], expected: bool| {
        let allow: Vec<String> = allow.iter().map(|entry| (*entry).to_owned()).collect();
        let proxy = Arc::new(Proxy::new(proxy, None).unwrap());
        let mut target = Target::parse(given).unwrap().through(proxy).unwrap().look_up(&[]).unwrap();
        assert_eq!(target.check_allowed(&allow).is_ok(), expected, "{given} {allow:?}");
    };
    check("http://localhost:8080", "http://127.0.0.1:3128", &[], true);
    check("http://localhost:8080", "http://192.0.2.1:3128", &[], false);
    check("http://shop.invalid", "http://127.0.0.1:3128", &[], false);
    check("http://shop.invalid", "http://192.0.2.1:3128", &["shop.invalid"], true);
    let proxy = Arc::new(Proxy::new("http://127.0.0.1:1", None).unwrap());
    assert!(Target::parse("http://h").unwrap().through(Arc::clone(&proxy)).unwrap().absolute_form());
    assert!(!Target::parse("https://h").unwrap().through(Arc::clone(&proxy)).unwrap().absolute_form());
    assert!(Target::parse("unix:/x").unwrap().through(proxy).is_err());
}

#[test]
fn the_recorded_origin_is_found_by_name_and_by_address() {
    let check = |given: &str, addresses: &str, origin: &str, expected: bool| {
        let got = target(given, addresses).check_origin(std::iter::once(origin));
        assert_eq!(got.is_err(), expected, "{given} {origin}");
    };
    let local = |origin: &str, expected: bool| check("http://localhost:8080", "127.0.0.1", origin, expected);
    local("http://127.0.0.1:8080", true);
    local("127.0.0.1:8080", true);
    local("0.0.0.0:8080", true);
    local("localhost:8080", true);
    local("LOCALHOST:8080", true);
    local("127.0.0.1:8081", false);
    local("127.0.0.1", false);
    local("shop.invalid:8080", false);
    // Any of the addresses counts, and a Host field without a port may be of either scheme.
    check("http://staging:8080", "10.0.0.2,10.0.0.1", "10.0.0.1:8080", true);
    check("https://staging", "10.0.0.1", "10.0.0.1", true);
    check("https://staging", "10.0.0.1", "https://10.0.0.1/", true);
    check("https://staging", "10.0.0.1", "http://10.0.0.1/", false);
    let mut unix = Target::parse("unix:/run/shop.sock").unwrap();
    assert!(unix.check_origin(std::iter::once("unix:/run/shop.sock")).is_err());
    assert!(unix.check_origin(std::iter::once("localhost")).is_ok());
}

#[test]
fn addresses_found_later_are_checked_again() {
    let admit = |target: &Target, addresses: &[&str]| {
        let admitted = target.admit(addresses.iter().map(|address| address.parse().unwrap()).collect());
        (admitted.addresses.len(), admitted.refused)
    };
    // Nothing was checked yet: only loopback.
    let mut staging = target("http://staging:8080", "127.0.0.1");
    assert_eq!(admit(&staging, &["10.0.0.1:8080"]).0, 0);
    staging.check_allowed(&[]).unwrap();
    let (good, refused) = admit(&staging, &["127.0.0.2:8080", "10.0.0.1:8080"]);
    assert_eq!((good, refused.len()), (1, 1), "{refused:?}");
    staging.check_allowed(&["staging".into()]).unwrap();
    assert_eq!(admit(&staging, &["10.0.0.1:8080"]).0, 1);
    staging.check_origin(std::iter::once("10.0.0.1:8080")).unwrap();
    let (good, refused) = admit(&staging, &["10.0.0.1:8080", "10.0.0.3:8080"]);
    assert_eq!(good, 1);
    assert!(refused[0].to_string().contains("recorded origin"), "{refused:?}");
}
