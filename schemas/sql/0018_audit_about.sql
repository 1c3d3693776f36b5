-- Events of the audit trail that name an id among their particulars: an assignment its device, a pairing its gateway, a revocation whose
-- certificate it was. For `pulsegate audit list --about`; the list of particulars is that of ingest/audit/about.ts.
CREATE INDEX audit_named ON audit USING gin ((ARRAY[
  detail ->> 'device', detail ->> 'gateway', detail ->> 'instead', detail ->> 'name', detail ->> 'claims', detail ->> 'publisher', detail ->> 'source'
])) WHERE detail ?| '{device,gateway,instead,name,claims,publisher,source}';
