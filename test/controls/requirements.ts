// The requirements that the controls serve, by a short key: which text demands what, in that text's own words as far as they fit
// on a line. Only clauses whose number and subject are certain stand here; where a text has no clause for it, nothing is listed.

/** Texts, as they are named on the generated page. */
export const texts = {
  FDA: 'FDA, Cybersecurity in Medical Devices (premarket guidance), security control categories and deliverables',
  '524B': 'FD&C Act, section 524B(b)',
  HIPAA: 'HIPAA Security Rule, 45 CFR 164.312',
  SOC2: 'SOC 2, Trust Services Criteria',
  ETSI: 'ETSI EN 303 645',
  IEC: 'IEC 81001-5-1',
  NIST: 'NIST IR 8259A, device cybersecurity capabilities',
  GDPR: 'GDPR'
} as const
export type Text = keyof typeof texts

/** Key → what is demanded. The key's first word is the text. */
export const requirements = {
  'FDA authentication': 'authentication',
  'FDA authorization': 'authorization',
  'FDA cryptography': 'cryptography',
  'FDA integrity': 'code, data and execution integrity',
  'FDA confidentiality': 'confidentiality',
  'FDA logging': 'event detection and logging',
  'FDA resiliency': 'resiliency and recovery',
  'FDA threat model': 'threat modeling',
  'FDA testing': 'cybersecurity testing',
  '524B (2)': 'processes that give a reasonable assurance that the device and related systems are cybersecure',
  '524B (3)': 'a software bill of materials',
  'HIPAA (a)(1)': 'access control',
  'HIPAA (a)(2)(i)': 'unique user identification',
  'HIPAA (a)(2)(iv)': 'encryption and decryption',
  'HIPAA (b)': 'audit controls',
  'HIPAA (c)(1)': 'integrity',
  'HIPAA (d)': 'person or entity authentication',
  'HIPAA (e)(1)': 'transmission security',
  'SOC2 CC6.1': 'logical access security',
  'SOC2 CC6.2': 'registration, authorization and removal of access',
  'SOC2 CC6.3': 'access by role, least privilege',
  'SOC2 CC6.6': 'protection at the boundary',
  'SOC2 CC6.7': 'restricted transmission, movement and removal of information',
  'SOC2 CC7.1': 'detection of vulnerabilities and changes',
  'SOC2 CC7.2': 'monitoring for anomalies',
  'SOC2 CC8.1': 'change management',
  'SOC2 A1.2': 'recovery',
  'SOC2 PI1': 'processing integrity',
  'SOC2 C1.2': 'disposal of confidential information',
  'ETSI 5.1': 'no universal default passwords',
  'ETSI 5.4': 'securely store sensitive security parameters',
  'ETSI 5.5': 'communicate securely',
  'ETSI 5.6': 'minimize exposed attack surfaces',
  'ETSI 5.8': 'ensure that personal data is secure',
  'ETSI 5.9': 'make systems resilient to outages',
  'ETSI 5.10': 'examine system telemetry data',
  'ETSI 5.11': 'make it easy for users to delete user data',
  'ETSI 5.13': 'validate input data',
  'IEC 5.7.1': 'security requirements testing',
  'IEC 5.7.2': 'threat mitigation testing',
  'IEC 5.7.3': 'vulnerability testing',
  'IEC 7': 'security risk management',
  'IEC 8': 'software configuration management',
  'NIST identification': 'device identification',
  'NIST data protection': 'data protection',
  'NIST logical access': 'logical access to interfaces',
  'NIST state awareness': 'cybersecurity state awareness',
  'GDPR 17': 'right to erasure'
} as const
export type Requirement = keyof typeof requirements

/** The text a requirement is in. */
export function textOf (requirement: Requirement): Text {
  return requirement.split(' ')[0] as Text
}
