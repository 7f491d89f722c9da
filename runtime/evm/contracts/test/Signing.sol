// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../IVault.sol";
import {TestDollar} from "../TestDollar.sol";
import {VM} from "./Vm.sol";

/// @dev A voucher as it was signed, of a lane by its id; `claimRows` makes batches of them.
struct Row {
    uint8 kind;
    bytes32 laneId;
    uint128 cumulative;
    bytes32 ref;
    uint128 amount;
    bytes32 lockHash;
    address arbiter;
    uint48 challengeEnd;
    uint48 expiry;
    bytes32 preimage;
    bytes signature;
}

/// @dev Digests and signatures as a payer makes them, written out apart from the contract's own code.
abstract contract Signing {
    function domain(address contract_) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("AIGEN Vault"),
                keccak256("1"),
                block.chainid,
                contract_
            )
        );
    }

    function sign(uint256 key, address contract_, bytes memory struct_) internal view returns (bytes memory) {
        return inDomain(key, domain(contract_), struct_);
    }

    function plainStruct(bytes32 lane, uint128 cumulative, bytes32 ref) internal pure returns (bytes memory) {
        return abi.encode(keccak256("Voucher(bytes32 laneId,uint128 cumulative,bytes32 ref)"), lane, cumulative, ref);
    }

    function plain(uint256 key, address contract_, bytes32 lane, uint128 cumulative)
        internal
        view
        returns (Row memory row)
    {
        row.laneId = lane;
        row.cumulative = cumulative;
        row.ref = bytes32(uint256(cumulative));
        row.signature = sign(key, contract_, plainStruct(lane, cumulative, row.ref));
    }

    function locked(
        uint256 key,
        address contract_,
        bytes32 lane,
        uint128 cumulative,
        uint128 amount,
        bytes32 preimage,
        uint48 expiry
    ) internal view returns (Row memory row) {
        row.kind = 1;
        row.laneId = lane;
        row.cumulative = cumulative;
        row.amount = amount;
        row.lockHash = sha256(abi.encode(preimage));
        row.expiry = expiry;
        row.preimage = preimage;
        bytes32 type_ = keccak256(
            "LockedVoucher(bytes32 laneId,uint128 cumulative,uint128 lockAmount,bytes32 lockHash,uint48 lockExpiry,bytes32 ref)"
        );
        row.signature =
            sign(key, contract_, abi.encode(type_, lane, cumulative, amount, row.lockHash, expiry, bytes32(0)));
    }

    function escrow(uint256 key, address contract_, IVault.EscrowVoucher memory voucher)
        internal
        view
        returns (Row memory row)
    {
        row.kind = 2;
        row.laneId = voucher.laneId;
        row.cumulative = voucher.cumulative;
        row.amount = voucher.amount;
        row.arbiter = voucher.arbiter;
        row.challengeEnd = voucher.challengeEnd;
        row.expiry = voucher.expiry;
        row.ref = voucher.ref;
        row.signature = sign(key, contract_, escrowStruct(voucher));
    }

    function escrowStruct(IVault.EscrowVoucher memory voucher) internal pure returns (bytes memory) {
        bytes32 type_ = keccak256(
            "EscrowVoucher(bytes32 laneId,uint128 cumulative,uint128 amount,address arbiter,uint48 challengeEnd,uint48 expiry,bytes32 ref)"
        );
        return abi.encode(type_, voucher);
    }

    function ruling(uint256 key, address contract_, IVault.EscrowVoucher memory voucher, uint128 amount)
        internal
        view
        returns (bytes memory)
    {
        bytes32 digest =
            keccak256(abi.encodePacked(hex"1901", domain(contract_), keccak256(escrowStruct(voucher))));
        return sign(
            key, contract_, abi.encode(keccak256("Ruling(bytes32 voucherHash,uint128 payeeAmount)"), digest, amount)
        );
    }

    function releaseOf(uint256 key, address contract_, bytes32 lane, uint128 finalClaimed)
        internal
        view
        returns (bytes memory)
    {
        return sign(
            key, contract_, abi.encode(keccak256("Release(bytes32 laneId,uint128 finalClaimed)"), lane, finalClaimed)
        );
    }

    function orderOf(
        uint256 key,
        address contract_,
        bytes32 vaultId,
        IVault.Reservation[] memory rows,
        uint48 validBefore
    ) internal view returns (bytes memory) {
        bytes memory hashes;
        for (uint256 i = 0; i < rows.length; ++i) {
            bytes32 type_ = keccak256("Reservation(address payee,uint64 number,uint128 total)");
            bytes32 row = keccak256(abi.encode(type_, rows[i].payee, rows[i].number, rows[i].total));
            hashes = abi.encodePacked(hashes, row);
        }
        bytes32 reserve_ = keccak256(
            "Reserve(bytes32 vaultId,Reservation[] reservations,uint48 validBefore)Reservation(address payee,uint64 number,uint128 total)"
        );
        return sign(key, contract_, abi.encode(reserve_, vaultId, keccak256(hashes), validBefore));
    }

    function depositOf(uint256 key, address contract_, bytes32 vaultId, IVault.DepositOrder memory order)
        internal
        view
        returns (bytes memory)
    {
        bytes32 type_ =
            keccak256("Deposit(bytes32 vaultId,address from,uint128 amount,uint48 validBefore,bytes32 salt)");
        return sign(
            key, contract_, abi.encode(type_, vaultId, order.from, order.amount, order.validBefore, order.salt)
        );
    }

    /// @dev Of a token: ReceiveWithAuthorization to `to`.
    function authorisationOf(
        uint256 key,
        TestDollar token,
        address from,
        address to,
        uint256 value,
        uint256 validBefore,
        bytes32 nonce
    ) internal view returns (bytes memory) {
        bytes32 type_ = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        return inDomain(key, token.DOMAIN_SEPARATOR(), abi.encode(type_, from, to, value, 0, validBefore, nonce));
    }

    /// @dev Of a token: Permit for `spender`.
    function permitOf(uint256 key, TestDollar token, address spender, uint256 value, uint256 deadline)
        internal
        view
        returns (bytes memory)
    {
        address from = VM.addr(key);
        bytes32 type_ =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        return inDomain(
            key, token.DOMAIN_SEPARATOR(), abi.encode(type_, from, spender, value, token.nonces(from), deadline)
        );
    }

    function inDomain(uint256 key, bytes32 separator, bytes memory struct_) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) =
            VM.sign(key, keccak256(abi.encodePacked(hex"1901", separator, keccak256(struct_))));
        return abi.encodePacked(r, s, v);
    }

    function one(Row memory row) internal pure returns (Row[] memory rows) {
        rows = new Row[](1);
        rows[0] = row;
    }

    /// @dev The rows in their order, a batch for each run of one vault and payee.
    function batchesOf(IVault vault_, Row[] memory rows) internal view returns (IVault.Batch[] memory batches) {
        IVault.Lane[] memory lanes = new IVault.Lane[](rows.length);
        uint256 count;
        for (uint256 i = 0; i < rows.length; ++i) {
            (lanes[i],) = vault_.laneOf(rows[i].laneId);
            if (i == 0 || apart(lanes[i], lanes[i - 1])) ++count;
        }
        batches = new IVault.Batch[](count);
        uint256 from;
        for (uint256 b = 0; b < count; ++b) {
            uint256 to = from + 1;
            while (to < rows.length && !apart(lanes[to], lanes[from])) ++to;
            batches[b] = IVault.Batch(lanes[from].vaultId, lanes[from].payee, new IVault.Claim[](to - from));
            for (uint256 i = from; i < to; ++i) batches[b].rows[i - from] = claimOf(rows[i], lanes[i].number);
            from = to;
        }
    }

    function apart(IVault.Lane memory a, IVault.Lane memory b) private pure returns (bool) {
        return a.vaultId != b.vaultId || a.payee != b.payee;
    }

    function claimOf(Row memory row, uint64 number) private pure returns (IVault.Claim memory out) {
        bytes memory condition;
        if (row.kind == 1) condition = abi.encode(row.amount, row.lockHash, row.expiry, row.preimage);
        if (row.kind == 2) condition = abi.encode(row.amount, row.arbiter, row.challengeEnd, row.expiry);
        return IVault.Claim(row.kind, number, row.cumulative, row.ref, row.signature, condition);
    }
}
