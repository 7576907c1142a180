//! The command line: what is sent, to whom, how much of it at a time, and for how long. Sizes are in bytes.

const HELP: &str = "s3load MODE [options]
 MODE: put get head delete multidelete list mixed multipart createbucket
 --endpoint URL[,URL..]   http://host:port (workers are spread over them round robin)
 --bucket B --key AK --secret SK [--region garage]
 --size N[k|m]            object size (put/get/mixed/multipart)      default 4k
 --concurrency N          connections                                default 16
 --duration S | --count N stop after S seconds or N operations
 --keys N                 size of existing key set (get/head/delete/mixed)
 --start N                first key index                            default 0
 --prefix P               key prefix                                 default 'o/'
 --dirs N                 keys are spread over N pseudo directories  default 0 (flat)
 --order rand|seq         key order for get/head                     default rand
 --payload unsigned|signed|stream   x-amz-content-sha256 mode        default unsigned
 --check                  PUT then immediate GET (next endpoint) comparing content; GET compares content
 --text                   compressible payload
 --same                   same payload for all objects (dedup test)
 --range N[k|m]           GET a random range of N bytes of the object
 --delimiter D --max-keys N --list-prefix P --start-after K        (list)
 --part-size N --part-conc N                                       (multipart)
 --mix get:45,put:15,head:30,delete:10                             (mixed)
 --batch N                keys per DeleteObjects (multidelete)       default 1000
 --rate N                 open-loop total ops/s limit                default 0 = closed loop
 --pid P[,P..]            report CPU, RSS, IO of these processes
 --quickack               set TCP_QUICKACK on the client's sockets (hides a server's missing TCP_NODELAY)
 --label S                copied to the output
";

#[derive(Clone)]
pub struct Options {
    pub mode: String,
    pub endpoints: Vec<String>,
    pub bucket: String,
    pub size: u64,
    pub conc: usize,
    pub duration: Option<f64>,
    pub count: Option<u64>,
    pub keys: u64,
    pub start: u64,
    pub prefix: String,
    pub dirs: u64,
    pub rand_order: bool,
    pub payload: Payload,
    pub check: bool,
    pub quickack: bool,
    pub same: bool,
    pub range: Option<u64>,
    pub delimiter: String,
    pub max_keys: u64,
    pub list_prefix: Option<String>,
    pub start_after: Option<String>,
    pub part_size: u64,
    pub part_conc: usize,
    pub mix: Vec<(String, u32)>,
    pub batch: u64,
    pub rate: f64,
    pub pids: Vec<u32>,
    pub label: String,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Payload {
    Unsigned,
    Signed,
    Stream,
}

fn num(s: &str) -> u64 {
    let l = s.to_ascii_lowercase();
    let (n, m) = if let Some(x) = l.strip_suffix('k') {
        (x, 1u64 << 10)
    } else if let Some(x) = l.strip_suffix('m') {
        (x, 1 << 20)
    } else if let Some(x) = l.strip_suffix('g') {
        (x, 1 << 30)
    } else {
        (&l[..], 1)
    };
    n.parse::<u64>().unwrap_or_else(|_| die(&format!("bad number {s}"))) * m
}

pub fn die(m: &str) -> ! {
    eprintln!("s3load: {m}");
    std::process::exit(2)
}

pub fn parse() -> (Options, String, String, String, bool) {
    let mut a = std::env::args().skip(1);
    let mode = a.next().unwrap_or_else(|| {
        print!("{HELP}");
        std::process::exit(2)
    });
    if mode == "--help" || mode == "-h" {
        print!("{HELP}");
        std::process::exit(0)
    }
    let mut c = Options {
        mode,
        endpoints: vec![],
        bucket: "bench".into(),
        size: 4096,
        conc: 16,
        duration: None,
        count: None,
        keys: 0,
        start: 0,
        prefix: "o/".into(),
        dirs: 0,
        rand_order: true,
        payload: Payload::Unsigned,
        check: false,
        quickack: false,
        same: false,
        range: None,
        delimiter: String::new(),
        max_keys: 1000,
        list_prefix: None,
        start_after: None,
        part_size: 8 << 20,
        part_conc: 1,
        mix: vec![("get".into(), 45), ("put".into(), 15), ("head".into(), 30), ("delete".into(), 10)],
        batch: 1000,
        rate: 0.0,
        pids: vec![],
        label: String::new(),
    };
    let (mut ak, mut sk, mut region) = (String::new(), String::new(), "garage".to_string());
    let mut text = false;
    while let Some(o) = a.next() {
        let mut v = || a.next().unwrap_or_else(|| die(&format!("{o} needs a value")));
        match o.as_str() {
            "--endpoint" => {
                c.endpoints = v()
                    .split(',')
                    .map(|x| x.trim_start_matches("http://").trim_end_matches('/').to_string())
                    .collect()
            }
            "--bucket" => c.bucket = v(),
            "--key" => ak = v(),
            "--secret" => sk = v(),
            "--region" => region = v(),
            "--size" => c.size = num(&v()),
            "--concurrency" | "-c" => c.conc = num(&v()) as usize,
            "--duration" => c.duration = Some(v().parse().unwrap_or_else(|_| die("bad duration"))),
            "--count" => c.count = Some(num(&v())),
            "--keys" => c.keys = num(&v()),
            "--start" => c.start = num(&v()),
            "--prefix" => c.prefix = v(),
            "--dirs" => c.dirs = num(&v()),
            "--order" => c.rand_order = v() == "rand",
            "--payload" => {
                c.payload = match v().as_str() {
                    "unsigned" => Payload::Unsigned,
                    "signed" => Payload::Signed,
                    "stream" => Payload::Stream,
                    x => die(&format!("bad payload {x}")),
                }
            }
            "--check" => c.check = true,
            "--quickack" => c.quickack = true,
            "--text" => text = true,
            "--same" => c.same = true,
            "--range" => c.range = Some(num(&v())),
            "--delimiter" => c.delimiter = v(),
            "--max-keys" => c.max_keys = num(&v()),
            "--list-prefix" => c.list_prefix = Some(v()),
            "--start-after" => c.start_after = Some(v()),
            "--part-size" => c.part_size = num(&v()),
            "--part-conc" => c.part_conc = num(&v()) as usize,
            "--mix" => {
                c.mix = v()
                    .split(',')
                    .map(|x| {
                        let (n, w) = x.split_once(':').unwrap_or_else(|| die("bad --mix"));
                        (n.to_string(), w.parse().unwrap_or_else(|_| die("bad --mix")))
                    })
                    .collect()
            }
            "--batch" => c.batch = num(&v()),
            "--rate" => c.rate = v().parse().unwrap_or_else(|_| die("bad rate")),
            "--pid" => {
                c.pids = v()
                    .split(',')
                    .filter(|x| !x.is_empty())
                    .map(|x| x.parse().unwrap_or_else(|_| die("bad pid")))
                    .collect()
            }
            "--label" => c.label = v(),
            x => die(&format!("unknown option {x}")),
        }
    }
    if c.endpoints.is_empty() {
        die("--endpoint missing");
    }
    if c.duration.is_none() && c.count.is_none() {
        match c.mode.as_str() {
            "delete" | "multidelete" => c.count = Some(c.keys),
            "createbucket" => c.count = Some(1),
            _ => c.duration = Some(10.0),
        }
    }
    if c.mode == "createbucket" {
        c.conc = 1;
    }
    if c.payload == Payload::Stream && c.size == 0 {
        c.payload = Payload::Unsigned;
    }
    (c, ak, sk, region, text)
}
