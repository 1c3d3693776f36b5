// One tool formats (--fix), lints and guards the import table of docs/architecture.md.
import neostandard from 'neostandard'
import tseslint from 'typescript-eslint'

// Who may import whom: folder -> folders. All else is an error; the graph has no cycle.
const folders = ['runtime', 'schemas', 'queue', 'certs', 'admin', 'broker', 'ingest', 'simulator', 'proof', 'cli', 'test', 'bench', 'fuzz']
const mayImport = {
  runtime: [],
  schemas: [],
  queue: ['runtime'],
  certs: ['runtime'],
  admin: ['runtime'],
  broker: ['runtime', 'schemas', 'queue'],
  ingest: ['runtime', 'schemas', 'queue'],
  simulator: ['runtime', 'schemas', 'certs'],
  proof: ['runtime', 'schemas', 'queue', 'certs', 'ingest', 'simulator'],
  cli: folders.filter((folder) => !['test', 'bench', 'fuzz'].includes(folder)),
  test: folders,
  bench: folders,
  fuzz: folders
}

// Which folder may use which third party; a package not named here is free.
const onlyIn = {
  aedes: ['broker', 'test', 'bench'],
  pg: ['ingest', 'proof', 'test', 'bench'],
  ioredis: ['queue', 'proof', 'test', 'bench'],
  mqtt: ['simulator', 'test', 'bench'],
  'cbor-x': ['schemas'],
  ajv: ['schemas', 'runtime'],
  pino: ['runtime'],
  commander: ['cli'],
  '@peculiar/x509': ['certs']
}

function boundary (folder) {
  const foreign = folders.filter((other) => other !== folder && !mayImport[folder].includes(other))
  const packages = Object.entries(onlyIn).filter(([, where]) => !where.includes(folder)).map(([name]) => name)
  const allowed = mayImport[folder].join(', ') || 'none of our folders'
  return {
    files: [`${folder}/**/*.ts`],
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', {
        paths: packages.map((name) => ({ name, message: `${name} belongs in ${onlyIn[name].join(', ')}.` })),
        patterns: foreign.map((other) => ({
          regex: `^(\\.\\./)+${other}/`,
          message: `${folder}/ may import: ${allowed}.`
        }))
      }]
    }
  }
}

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', '.tap/**', '.pulsegate/**', '.cache/**'] }),
  ...tseslint.configs.recommendedTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // an interface may be asynchronous where one of its implementations is not
      '@typescript-eslint/require-await': 'off',
      'no-console': 'error',
      'max-lines': ['error', { max: 250 }]
    }
  },
  {
    // tap's own functions return promises that the runner awaits
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/no-misused-promises': 'off',
      // fixtures are plain objects whose functions a test takes apart
      '@typescript-eslint/unbound-method': 'off'
    }
  },
  ...folders.map(boundary)
]
