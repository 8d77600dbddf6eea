//! The command line of `neqo-client`.

use std::{ffi::OsString, net::IpAddr, path::PathBuf, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use clap::{Args, Parser, Subcommand};
use neqo_crypto::Provider;

use super::{exit::Exit, resolve::Override};
use crate::proto::Protocol;

/// Fetches URLs over HTTP/3.
///
/// URLs of the same host and port share one QUIC connection. Bodies go to stdout, to a file with -o, or to one file
/// each with --output-dir. A file appears under its name only when it is complete.
#[derive(Debug, Parser)]
#[command(
    name = "neqo-client",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    after_help = Exit::help()
)]
pub struct Cli {
    /// What to do instead of fetching.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to fetch.
    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// What `neqo-client` does besides fetching.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a server on a loopback port, fetch real files from it over HTTP/3, and verify their SHA-256.
    Demo(DemoArgs),
}

/// The options of `neqo-client demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Sizes of the files, in bytes, with an optional suffix K, M or G (powers of 1024).
    #[arg(long, value_name = "SIZE", value_delimiter = ',', default_value = "1K,1M,32M,100M", value_parser = size)]
    pub sizes: Vec<u64>,
    /// Print less: no progress bars.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print more; repeat for debug and trace logs.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print the statistics of the connection when it ends.
    #[arg(long)]
    pub stats: bool,
}

/// The options that describe transfers.
#[derive(Clone, Debug, Args)]
pub struct FetchArgs {
    /// The https URLs to fetch.
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
    /// Where the bodies go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is asked.
    #[command(flatten)]
    pub request: RequestArgs,
    /// Whom to trust.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// How to connect.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Where bodies and reports go.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Write the body to FILE, which appears when it is complete; "-" is stdout. Repeat for several URLs, in order.
    #[arg(short, long, value_name = "FILE", conflicts_with = "output_dir")]
    pub output: Vec<PathBuf>,
    /// Write each body to a file in DIR that is named after the last segment of the URL's path.
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    /// Exit with 22, and save nothing, when a status is 400 or more.
    #[arg(short, long)]
    pub fail: bool,
    /// Print no progress and no summary; errors are still printed.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print response headers; twice: debug logs; three times: trace logs.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print the statistics of each connection when it ends.
    #[arg(long)]
    pub stats: bool,
}

/// What is asked.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Request")]
pub struct RequestArgs {
    /// The request method (default: GET, or POST with --data).
    #[arg(short = 'X', long, value_name = "METHOD", value_parser = method)]
    pub method: Option<String>,
    /// A header field to send; repeat for more.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    pub headers: Vec<Field>,
    /// The request body: the text itself, @FILE to send a file, @- to send stdin.
    #[arg(short, long, value_name = "DATA", value_parser = data)]
    pub data: Option<Data>,
}

/// Whom to trust. Without any of these the platform's certificate store decides.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Trust")]
#[group(multiple = false)]
pub struct TrustArgs {
    /// Trust the certificate authorities in this PEM file instead of the platform's.
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Trust only the certificate with this SHA-256 (hex; colons are allowed). Repeat for several.
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    pub pin_sha256: Vec<[u8; 32]>,
    /// Do not verify the certificate at all. Anyone on the path can then read and change everything.
    #[arg(short = 'k', long)]
    pub insecure: bool,
}

/// How to connect.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct NetworkArgs {
    /// Use IPv4 addresses only.
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 addresses only.
    #[arg(short = '6', long = "ipv6")]
    pub ipv6: bool,
    /// Connect to ADDR instead of asking the resolver for HOST:PORT; repeat for more.
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    pub resolve: Vec<Override>,
    /// The application protocol to speak.
    #[arg(long, value_enum, default_value_t = Protocol::H3)]
    pub alpn: Protocol,
    /// How many requests may be in flight on a connection. Bodies for stdout come one after the other.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Give up when no connection is established in this time.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub connect_timeout: Duration,
    /// Give up when nothing arrives for this time.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub idle_timeout: Duration,
    /// Encrypt the ClientHello with this configuration (ECHConfigList, Base64): the value of "ech" in the host's HTTPS
    /// record, or what neqo-server --ech prints.
    #[arg(long, value_name = "BASE64", value_parser = ech)]
    pub ech: Option<Configs>,
    /// The library that does TLS.
    #[arg(long, value_name = "LIBRARY", default_value_t = Provider::default(), value_parser = crate::proto::provider())]
    pub tls: Provider,
    /// Congestion control algorithm.
    #[arg(long, value_enum, default_value_t = crate::proto::Congestion::Cubic)]
    pub cc: crate::proto::Congestion,
}

impl NetworkArgs {
    /// Whether `-4` and `-6` allow this address.
    #[must_use]
    pub const fn allows(&self, addr: IpAddr) -> bool {
        match addr {
            IpAddr::V4(_) => !self.ipv6,
            IpAddr::V6(_) => !self.ipv4,
        }
    }
}

/// Configurations of encrypted ClientHello, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configs(pub Vec<u8>);

fn ech(s: &str) -> Result<Configs, String> {
    let bytes = BASE64_STANDARD.decode(s).map_err(|e| e.to_string())?;
    // The library would only pretend, and show the name.
    if bytes.is_empty() {
        return Err("there is no configuration in it".to_owned());
    }
    Ok(Configs(bytes))
}

/// A header field from `-H`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Lower case, as RFC 9114 §4.2 wants it.
    pub name: String,
    /// Without CR, LF and NUL.
    pub value: String,
}

/// The body from `-d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// The text itself.
    Inline(Bytes),
    /// The content of a file.
    File(PathBuf),
    /// What comes on standard input.
    Stdin,
}

/// Parses a command line, program name first.
pub fn parse<I, T>(args: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    Cli::try_parse_from(args)
}

const fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// RFC 9110 §5.6.2.
fn is_token(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(is_token_byte)
}

fn method(s: &str) -> Result<String, String> {
    if s == "CONNECT" {
        return Err("CONNECT needs a tunnel, which this tool does not offer".into());
    }
    if is_token(s) {
        Ok(s.to_owned())
    } else {
        Err("a method is a word such as GET, HEAD, POST or PUT".into())
    }
}

//= rfc9114#section-4.2
//# An endpoint MUST NOT generate an HTTP/3 field section containing
//# connection-specific fields;
const CONNECTION_SPECIFIC: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

fn field(s: &str) -> Result<Field, String> {
    let (name, value) = s.split_once(':').ok_or("write it as \"Name: value\"")?;
    let name = name.to_ascii_lowercase();
    if !is_token(&name) {
        return Err(format!("{name:?} is not a header name"));
    }
    if CONNECTION_SPECIFIC.contains(&name.as_str()) {
        return Err(format!("{name} does not exist in HTTP/3"));
    }
    if name == "host" {
        return Err("the host comes from the URL; to reach another address use --resolve".into());
    }
    let value = value.trim_matches([' ', '\t']);
    if name == "te" && !value.eq_ignore_ascii_case("trailers") {
        return Err("te can only be \"trailers\" in HTTP/3".into());
    }
    // hardening R3719
    if value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return Err("a header value cannot contain CR, LF or NUL".into());
    }
    Ok(Field {
        name,
        value: value.to_owned(),
    })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature that clap asks of a value parser"
)]
fn data(s: &str) -> Result<Data, String> {
    Ok(match s.strip_prefix('@') {
        Some("-") => Data::Stdin,
        Some(path) => Data::File(PathBuf::from(path)),
        None => Data::Inline(Bytes::copy_from_slice(s.as_bytes())),
    })
}

fn sha256(s: &str) -> Result<[u8; 32], String> {
    let digits: String = s.chars().filter(|&c| c != ':').collect();
    let mut pin = [0; 32];
    hex::decode_to_slice(digits, &mut pin).map_err(|_e| {
        "a SHA-256 is 64 hexadecimal digits; neqo-server prints it when it starts".to_owned()
    })?;
    Ok(pin)
}

/// A duration in seconds, with a fraction if wanted; not zero and at most a day.
pub(crate) fn seconds(s: &str) -> Result<Duration, String> {
    const DAY: f64 = 86_400.0;
    match s.parse::<f64>() {
        Ok(n) if n > 0.0 && n <= DAY => Ok(Duration::from_secs_f64(n)),
        _ => Err("give a number of seconds above 0 and up to 86400".into()),
    }
}

fn size(s: &str) -> Result<u64, String> {
    let (digits, unit) = match s.as_bytes().last() {
        Some(b'K' | b'k') => (&s[..s.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&s[..s.len() - 1], 1 << 20),
        Some(b'G' | b'g') => (&s[..s.len() - 1], 1 << 30),
        _ => (s, 1),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit))
        .ok_or_else(|| "a size is a number with an optional K, M or G".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, error::ErrorKind};

    use super::*;

    fn fetch(args: &[&str]) -> Result<FetchArgs, clap::Error> {
        let all = std::iter::once(&"neqo-client").chain(args);
        parse(all).map(|cli| cli.fetch)
    }

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_documents_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        for exit in Exit::ALL {
            assert!(help.contains(&format!("{:>3}  ", exit.code())), "{exit:?}");
        }
    }

    #[test]
    fn no_url_is_a_usage_error() {
        let e = fetch(&[]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::MissingRequiredArgument);
        assert_eq!(e.exit_code(), i32::from(Exit::Usage.code()));
    }

    #[test]
    fn demo_needs_no_url() {
        let cli = parse(["neqo-client", "demo", "--sizes", "10,2K,1M"]).unwrap();
        let Some(Command::Demo(demo)) = cli.command else {
            panic!("not the demo");
        };
        assert_eq!(demo.sizes, [10, 2048, 1 << 20]);
        assert!(parse(["neqo-client", "demo", "--sizes", "1X"]).is_err());
    }

    //= rfc9114#section-4.2 type=test
    //# An endpoint MUST NOT generate an HTTP/3 field section containing
    //# connection-specific fields;
    #[test]
    fn headers() {
        let a = fetch(&["-H", "X-Thing:  a b ", "-H", "accept:*/*", "https://h/"]).unwrap();
        assert_eq!(
            a.request.headers,
            [
                Field {
                    name: "x-thing".into(),
                    value: "a b".into()
                },
                Field {
                    name: "accept".into(),
                    value: "*/*".into()
                }
            ]
        );
        for bad in [
            "nope",
            ": x",
            ":path: /",
            "a b: c",
            "Connection: close",
            "Host: x",
            "TE: gzip",
            "a: b\r\nc: d",
        ] {
            assert!(fetch(&["-H", bad, "https://h/"]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bodies() {
        let parse = |d: &str| fetch(&["-d", d, "https://h/"]).unwrap().request.data;
        assert_eq!(parse("a=b"), Some(Data::Inline(Bytes::from_static(b"a=b"))));
        assert_eq!(parse("@x/y"), Some(Data::File("x/y".into())));
        assert_eq!(parse("@-"), Some(Data::Stdin));
    }

    #[test]
    fn trust_options_exclude_each_other() {
        let pin = "00:".repeat(31) + "ff";
        let a = fetch(&["--pin-sha256", &pin, "https://h/"]).unwrap();
        assert_eq!(a.trust.pin_sha256[0][31], 0xff);
        assert!(fetch(&["--pin-sha256", "00ff", "https://h/"]).is_err());
        assert!(fetch(&["--insecure", "--cacert", "x", "https://h/"]).is_err());
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(fetch(&["-4", "-6", "https://h/"]).is_err());
        assert!(fetch(&["-o", "x", "--output-dir", "y", "https://h/"]).is_err());
        assert!(fetch(&["--concurrency", "0", "https://h/"]).is_err());
        assert!(fetch(&["--connect-timeout", "0", "https://h/"]).is_err());
        assert!(fetch(&["--connect-timeout", "nan", "https://h/"]).is_err());
        assert!(fetch(&["--alpn", "h2", "https://h/"]).is_err());
        assert!(fetch(&["-X", "BAD METHOD", "https://h/"]).is_err());
        assert!(fetch(&["-X", "CONNECT", "https://h/"]).is_err());
    }

    #[test]
    fn families() {
        let v4: IpAddr = "127.0.0.1".parse().unwrap();
        let v6: IpAddr = "::1".parse().unwrap();
        let a = fetch(&["https://h/"]).unwrap().network;
        assert!(a.allows(v4) && a.allows(v6));
        let a = fetch(&["-4", "https://h/"]).unwrap().network;
        assert!(a.allows(v4) && !a.allows(v6));
        let a = fetch(&["-6", "https://h/"]).unwrap().network;
        assert!(!a.allows(v4) && a.allows(v6));
    }
}
