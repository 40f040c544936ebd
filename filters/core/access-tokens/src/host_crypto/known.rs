//! Right signatures of `Meshwarden`, made once with OpenSSL; the private keys were thrown away.

use super::{Hash, Known};
use crate::algorithm::Algorithm;

const RSA: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApmkCj5yD91HHB8sLuFXyQuXLUYDIddLA8s2CI73xCOEMuFut-tJBz_YMudaP\
         -EB4jmCYv91UqjWZuSTc1usFsMXc8nobTzhyqG3_qhcOZuGw12SZfC52qY_5mN8dSGg-gw0vGzoLY0O2WN5jTIMljDjdpv523Ypm7o1O\
         zkMHMNHGWr7lHaBrbpAtORUUEsZskns4Y_KlHxXfOVZ6FQPxx2JOob43RB_1J7ttvhBKXegxTfjABYVakwrg0rGG0v3VxIG7hkRThR2G\
         8R4DKMKXRwvilAjIjA4O9Yd-d_N_43-G0e4GFWmTvcLWfRtnAAc2YKIvINgbGHKj97Pxdp5WzwIDAQAB";

const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhuKE3lEbB_21gfkvG0DPJM9I7ffo7680wuiRNKlDBQVE_URVdCu_mAYlyq0G2AJNcr5U\
         90w6t9fh8qPeDiRAig";

const P384: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEM9f4ng5uk7-7UOR1Gkdj7rCmnqRjDFDmhjUV3tTxh45xGTYcb3It3Qqy87TbCtIr3NpVJZNR\
         Aqzrac0t3o70XHP5ECmQAD7G3zKstipzR2qllQexNHJxFWR8gt3G6N_z";

pub(super) const KNOWN: [Known; 5] = [
    Known {
        algorithm: Algorithm::RS256,
        hash: Hash::Sha256,
        public_key: RSA,
        signature: "okKfOanVAQvOMLYCLvg0dHsNVtz-BI62QsqXJxoOtGJeMg5hRSLnep_alQ0VCP9SxvJ9fRLaMY5HxxOI9dzUiDcs5Y8-AEyO0rN06vET\
         JJa7SHvc4Cg4C-rQF12qFSl2Mzo-lnwm0RUuF-B7RCwHZ3QCpy5xKVI-MGQCK2DMW8rAKwEVuf8hxDwI-eO2NJYbUoe2vbvapn6DASzG\
         IEI0Fd2_ZYYO2tKZXelch0lJEEuhGYQi3dn64mgsLvehoKfU4i8UgiaQzzJErU4r4W5VLtRH0rfvYaSlqGYY7CWO8YBAJHLs1-jCCQwV\
         xnpwIEwmOyYWMxzK6WmAi8uyRJ17Fw",
    },
    Known {
        algorithm: Algorithm::RS384,
        hash: Hash::Sha384,
        public_key: RSA,
        signature: "o2jRy1Bq8A5FjJM0I3tsGiwHodyJQyIQO90fnPqU3dwVuAX7iy69CF1VgixbuOX1H-31dq_o7I5bDjsHgqMedJFAQIZjxEYYXFfz6PfQ\
         a3BsL9GbpcBfNrYaLFzhaHh_oIp164ndjZ16OBNbr7RTmHQ2Tzculkaetpav1-OVBel9JAFV8lSkEctrh1SFTks9XiQBitVJVgqPrMdu\
         dvG995n9BhEdA68waQNswd-mCtmzN_UDGVyW8hVC82MGSNrCj3NhjkFsQuQbJm6VqBnSiObHqMl9s_FoZXgDSfBvg_Dd3TvgeOAu6d1p\
         t_tPHO4Ihv6wZQygr83tRY_SYH5Q_g",
    },
    Known {
        algorithm: Algorithm::RS512,
        hash: Hash::Sha512,
        public_key: RSA,
        signature: "PeAhTTxpqc1mZKh551Iz51gAI-tGpv0sMi1hDFwqeeIGp6rmRCXEk5AW_nPI14o4ZPnzxSoG_EywWchrOByogdspLuQ8u5yyWiVRuNSS\
         ks24X-djp8MUabIYS6ZHfBrKgs6D6sHWx_mD-VaqXnxnE2qS6M4sanypYSL2L6SDHD-Sgzy0A95TBCa1D6WfzN8MD3diE1ul-roAuVKj\
         kElCbLRCeVMGCJJW00d12wvIeBCzLVe3rfvr6k4Vr47c1pQEyV-zdRtRjMNq1gyEQliPMNYzhqlaVpRfnoAFuFKKcgASqpz9S5KR3J_R\
         dpKxOxI5xlIKGs3Q5Vz1M35cOiNKPg",
    },
    Known {
        algorithm: Algorithm::ES256,
        hash: Hash::Sha256,
        public_key: P256,
        signature: "MEUCID8izKST0MVoxP_aoR6tTCf1xxIHzpkWoRq4h1LVkWgXAiEAxsZFALmabKe4utgJURaeoDMMhHYME28QZQYU6pevIO4",
    },
    Known {
        algorithm: Algorithm::ES384,
        hash: Hash::Sha384,
        public_key: P384,
        signature: "MGQCMBfWBmzsss2nRP8xDhJacTO1SI08GTECII-L_xZfm6ybQWjbvbW_Fgk-JOyV-N2uAAIwDYBTlmaj-NET2u0YFjM8Nk6477MyqGCJ\
         d7VmR7Rt32PUAm2lc0GQ4OUl0sXsLo92",
    },
];
