/** The vocabulary of a ship's chandler: products, customers, and the fates of orders. */
import type { Weighted } from './chance.ts';

export const CATEGORIES = [
  {
    name: 'almanacs',
    code: 'ALM',
    from: 900,
    to: 6_000,
    nouns: ['Tide Table', 'Harbour Chart', 'Pilot Book', 'Star Atlas', 'Log Book'],
  },
  {
    name: 'lighting',
    code: 'LGT',
    from: 1_900,
    to: 24_000,
    nouns: ['Storm Lamp', 'Masthead Light', 'Head Torch', 'Signal Lantern'],
  },
  {
    name: 'ropework',
    code: 'ROP',
    from: 400,
    to: 9_000,
    nouns: ['Mooring Line', 'Halyard', 'Fender Cord', 'Anchor Rode', 'Splicing Kit'],
  },
  {
    name: 'clothing',
    code: 'CLO',
    from: 1_500,
    to: 39_000,
    nouns: ['Oilskin', 'Wool Jumper', 'Sea Boots', 'Watch Cap', 'Bib Trousers'],
  },
  {
    name: 'instruments',
    code: 'INS',
    from: 4_500,
    to: 180_000,
    nouns: ['Sextant', 'Barometer', 'Hand Compass', 'Echo Sounder'],
  },
  {
    name: 'galley',
    code: 'GAL',
    from: 300,
    to: 12_000,
    nouns: ['Enamel Mug', 'Gimballed Stove', 'Kettle', 'Chopping Board', 'Ship Biscuit'],
  },
  {
    name: 'safety',
    code: 'SAF',
    from: 1_200,
    to: 160_000,
    nouns: ['Life Jacket', 'Flare Set', 'Life Raft', 'Harness', 'First-Aid Box'],
  },
] as const;
export const MAKERS = [
  'Skagen',
  'Finisterre',
  'Dogger',
  'Lundy',
  'Malin',
  'Biscay',
  'Fastnet',
  'Rockall',
  'Utsire',
  'Texel',
];
export const VARIANTS = ['', ' Mk II', ' Classic', ' Light', ' Pro', ' Junior', ' Deluxe'];

export const FIRST_NAMES =
  `Ada Grace Linus Edsger Barbara Alan Margaret Dennis Radia Ken Katherine Niklaus Frances Donald Joan Tony Hedy Claude
  Annie Leslie Sofia Jean Mary Emil Ingrid Yusuf Amina Kofi Mei Hiroshi Zoë Łukasz Søren Renée José Nuala`.split(/\s+/);
export const LAST_NAMES =
  `Lovelace Hopper Dijkstra Liskov Hamilton Ritchie Perlman Johnson Wirth Allen Clarke Hoare Lamarr Shannon Easley Lamport
  Kovalevskaya Bartik Somerville Post Daubechies Okafor Haddad Mensah Chen Tanaka Núñez Wójcik Kierkegaard Lefèvre Ó’Brien Petersen
  Rossi Müller Janssen Novák`.split(/\s+/);
export const REGIONS =
  `Brittany|Hamburg|Catalonia|Zeeland|Cornwall|Liguria|Jutland|Galicia|Connacht|Pomerania|Attica|Algarve|Skåne|Normandy`.split(
    '|',
  );
export const SEGMENTS: readonly Weighted<string | undefined>[] = [
  [70, 'retail'],
  [19, 'trade'],
  [8, 'wholesale'],
  [3, undefined],
];

export type Fate = 'open' | 'shipped' | 'delivered' | 'cancelled' | 'partly returned' | 'returned';
export const FATES: readonly Weighted<Fate>[] = [
  [12, 'open'],
  [15, 'shipped'],
  [53, 'delivered'],
  [8, 'cancelled'],
  [8, 'partly returned'],
  [4, 'returned'],
];
export const CARRIERS = ['DHL', 'DPD', 'PostNord', 'GLS', 'Lighthouse Express'];
export const CANCELLED_BECAUSE = ['Ordered by mistake', 'Found it cheaper', 'Boat sold', 'Delivery takes too long'];
export const RETURNED_BECAUSE = [
  'Wrong size',
  'Water damage',
  'Not as described',
  'Arrived after the voyage',
  'Changed my mind',
];
export const DEARER_BECAUSE = ['Supplier raised prices', 'Freight is dearer', 'Season begins'];
export const CHEAPER_BECAUSE = ['Clearance', 'Larger batch', 'Season ends'];
